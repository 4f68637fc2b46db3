//! The steps of a collector.

use super::judge::{self, Pairs};
use super::process::{At, Process, Task};
use super::state::State;
use super::system::{Mutation, System};
use super::world::{
    BLOB, Digests, Keys, PROCESSES, Phase, REPOSITORIES, Round, TASKS, bytes, due, dues, holder,
    holders, link, record, reference, references,
};

impl System {
    pub(crate) fn collect(&self, state: &mut State, index: usize, choice: u8) {
        let mut process = state.processes[index];
        let looks_first = self.mutation == Some(Mutation::LookFirst);
        let key = self.pick(process.todo, choice);
        match process.at {
            At::List => {
                process = Process {
                    rounds: process.rounds,
                    entries: self.ripe(state),
                    held: self.ripe(state),
                    ..Process::starting(process.task, At::Expand)
                };
                process.todo = self.records(process.entries);
                if process.entries == 0 || process.rounds == self.rounds(index) {
                    process = Process::starting(process.task, At::Ended);
                } else {
                    self.expanded(&mut process);
                }
            }
            At::Expand => {
                process.todo &= !key;
                process.names |= key & state.keys;
                self.expanded(&mut process);
            }
            At::Round => {
                process.seen = state.round;
                process.at = match process.seen.phase {
                    Phase::Idle if looks_first => self.begin_looking(&mut process),
                    Phase::Idle => At::Judge,
                    Phase::Judging => At::TakeOver,
                    Phase::Removing => At::HelpPlan,
                };
            }
            At::Judge => process = self.begin_round(state, index, process),
            At::TakeOver => {
                state.swap_round(process.seen, process.seen.ended());
                process.seen = Round::FIRST;
                process.at = At::Round;
            }
            At::Look => {
                process.todo &= !key;
                process.found |= key & state.keys;
                process.held |= key & state.keys;
                self.looked(&mut process);
            }
            At::Names => {
                let list = self.first_list(process.lists);
                process.lists &= !list;
                let names = list & state.keys;
                if list & (references(0) | references(1)) == 0 {
                    process.names |= names;
                } else {
                    process.todo = names | judge::records_of(names);
                }
                self.looked(&mut process);
            }
            At::HelpPlan | At::HelpRemove | At::HelpEnd => {
                self.help(state, index, &mut process, choice);
            }
            _ => process = self.act(state, index, process, key),
        }
        state.processes[index] = process;
    }

    /// Agrees on what goes, and removes it.
    fn act(&self, state: &mut State, index: usize, mut process: Process, key: Keys) -> Process {
        let ends_early = self.mutation == Some(Mutation::EndEarly);
        match process.at {
            At::Write => {
                let goes = judge::judge(&process, &self.pairs(&process));
                state.plans[usize::from(process.seen.nonce)] = match state.conditional {
                    true => goes & process.held,
                    false => goes,
                };
                process.at = At::Commit;
            }
            At::Commit => {
                let removing = Round {
                    phase: Phase::Removing,
                    ..process.seen
                };
                let blindly = self.mutation == Some(Mutation::CommitBlindly);
                if blindly {
                    state.round = removing;
                }
                process.at = At::Lost;
                if blindly || state.swap_round(process.seen, removing) {
                    process.seen = removing;
                    self.settle(&mut process);
                    process.todo = state.plans[usize::from(removing.nonce)];
                    process.at = match process.todo {
                        0 => At::End,
                        _ if ends_early => At::End,
                        _ => At::Remove,
                    };
                }
            }
            At::Lost => {
                let round = state.round;
                if round.phase == Phase::Judging && round.nonce == process.seen.nonce {
                    process.seen = round;
                    process.digests &= round.digests;
                    process.at = self.decide(&mut process);
                } else {
                    state.plans[usize::from(process.seen.nonce)] = 0;
                    process = Process {
                        rounds: process.rounds,
                        ..Process::starting(process.task, At::List)
                    };
                }
            }
            _ => process = self.remove(state, index, process, key),
        }
        process
    }

    fn begin_round(&self, state: &mut State, index: usize, mut process: Process) -> Process {
        let judging = Round {
            number: process.seen.number + 1,
            phase: Phase::Judging,
            nonce: self.nonce(index, &process),
            digests: process.digests,
        };
        process.at = At::Round;
        if state.swap_round(process.seen, judging) {
            process.seen = judging;
            process.rounds += 1;
            process.at = match self.mutation {
                Some(Mutation::LookFirst) => self.decide(&mut process),
                _ => self.begin_looking(&mut process),
            };
        }
        process
    }

    /// Removes what was agreed upon, and ends the round.
    fn remove(&self, state: &mut State, index: usize, mut process: Process, key: Keys) -> Process {
        let ends_early = self.mutation == Some(Mutation::EndEarly);
        match process.at {
            At::Remove => {
                process.todo &= !key;
                state.processes[index] = process;
                state.delete(key);
                process = state.processes[index];
                if process.todo == 0 {
                    process.at = match ends_early {
                        true => self.begin_entries(&mut process),
                        false => At::End,
                    };
                }
            }
            At::End => {
                let removed = process.seen.phase == Phase::Removing;
                let ended = state.swap_round(process.seen, process.seen.ended());
                process.at = match process.todo {
                    _ if !removed && !ended => At::Lost,
                    0 => self.begin_entries(&mut process),
                    _ => At::Remove,
                };
            }
            At::Entries => {
                process.entries &= !key;
                process.todo &= !key;
                state.delete(key);
                if process.todo == 0 {
                    process = Process {
                        rounds: process.rounds,
                        ..Process::starting(process.task, At::List)
                    };
                }
            }
            _ => {}
        }
        process
    }

    /// What is due: where ages can be trusted, nothing of a process that is
    /// still at work.
    fn ripe(&self, state: &State) -> Keys {
        let mut keys = state.keys & dues();
        if self.trusts_ages {
            for (index, process) in state.processes.iter().enumerate() {
                for task in 0..TASKS {
                    if process.runs() && index < PROCESSES - 1 {
                        keys &= !due(index, task);
                    }
                }
            }
        }
        keys
    }

    fn tasks(&self, entries: Keys) -> impl Iterator<Item = (Keys, Task)> {
        let all = (0..PROCESSES - 1).flat_map(|index| (0..TASKS).map(move |task| (index, task)));
        all.filter_map(move |(index, task)| {
            let key = entries & due(index, task);
            let task = self.task(index, task as u8)?;
            (key != 0).then_some((key, task))
        })
    }

    /// The records of the manifests among some entries.
    fn records(&self, entries: Keys) -> Keys {
        self.tasks(entries)
            .fold(0, |records, (_, task)| match task {
                Task::Put { to: of, manifest } | Task::DeleteManifest { of, manifest } => {
                    records | record(of, manifest)
                }
                _ => records,
            })
    }

    fn expanded(&self, process: &mut Process) {
        if process.todo == 0 {
            let pairs = self.pairs(process);
            let present = self.present(process.entries, process.names);
            process.digests = pairs.iter().fold(present, |all, some| all | some);
            process.at = At::Round;
        }
    }

    /// The manifests among the entries that are there.
    fn present(&self, entries: Keys, names: Keys) -> Digests {
        self.tasks(entries)
            .fold(0, |present, (_, task)| match task {
                Task::Put { to: of, manifest } | Task::DeleteManifest { of, manifest }
                    if names & record(of, manifest) != 0 =>
                {
                    present | 1 << manifest
                }
                _ => present,
            })
    }

    /// What entries ask for: the content of a blob, or the remains of a
    /// manifest that is not there and the content that it referenced.
    fn asks(&self, entries: Keys, names: Keys) -> Pairs {
        let mut pairs: Pairs = [0; REPOSITORIES];
        for (_, task) in self.tasks(entries) {
            match task {
                Task::Push { to } | Task::Mount { to, .. } | Task::DeleteBlob { of: to } => {
                    pairs[to] |= 1 << BLOB;
                }
                Task::Put { to: of, manifest } | Task::DeleteManifest { of, manifest }
                    if names & record(of, manifest) == 0 =>
                {
                    pairs[of] |= 1 << manifest | 1 << BLOB;
                }
                _ => {}
            }
        }
        pairs
    }

    fn pairs(&self, process: &Process) -> Pairs {
        self.asks(process.entries, process.names)
    }

    fn begin_looking(&self, process: &mut Process) -> At {
        let pairs = self.pairs(process);
        process.todo = self.records(process.entries) & process.names;
        for (repository, digest) in judge::each(&pairs) {
            process.todo |= holder(digest, repository);
            process.lists |= holders(digest);
            if digest == BLOB {
                process.todo |= link(repository);
                process.lists |= references(repository);
            } else {
                process.todo |= record(repository, digest) | reference(repository, digest);
            }
        }
        At::Look
    }

    /// What follows when some of the look is done.
    fn looked(&self, process: &mut Process) {
        if process.todo != 0 || process.lists != 0 {
            process.at = match process.todo {
                0 => At::Names,
                _ => At::Look,
            };
            return;
        }
        let pairs = self.pairs(process);
        let blobs = judge::each(&pairs).fold(0, |blobs, (_, digest)| blobs | bytes(digest));
        // The bytes are read last, and by then they are marked as read.
        if process.told || blobs == 0 {
            process.told = false;
            process.at = match self.mutation {
                Some(Mutation::LookFirst) => At::Judge,
                _ => self.decide(process),
            };
        } else {
            process.told = true;
            process.todo = blobs;
            process.at = At::Look;
        }
    }

    /// References first, then holders.
    fn first_list(&self, lists: Keys) -> Keys {
        let all = [
            references(0),
            references(1),
            holders(0),
            holders(1),
            holders(2),
        ];
        let first = all.into_iter().find(|list| lists & list != 0);
        first.unwrap_or(lists)
    }

    fn decide(&self, process: &mut Process) -> At {
        let goes = judge::judge(process, &self.pairs(process));
        match goes {
            0 => At::End,
            _ => At::Write,
        }
    }

    /// Keeps the entries whose digests have all been judged, and forgets what
    /// was needed to judge.
    fn settle(&self, process: &mut Process) {
        let mut settled = 0;
        for (key, task) in self.tasks(process.entries) {
            let pairs = self.asks(key, process.names);
            let asked = pairs.iter().fold(0, |all, some| all | some);
            let there = match task {
                Task::Put { to: of, manifest } | Task::DeleteManifest { of, manifest } => {
                    process.names & record(of, manifest) & !process.found == 0
                        && (process.digests & (1 << manifest) != 0)
                }
                _ => true,
            };
            if there && asked & !process.digests == 0 {
                settled |= key;
            }
        }
        *process = Process {
            rounds: process.rounds,
            seen: process.seen,
            entries: settled & process.held,
            told: true,
            ..Process::starting(process.task, process.at)
        };
    }

    /// Removes the entries that are settled.
    fn begin_entries(&self, process: &mut Process) -> At {
        if !process.told {
            self.settle(process);
        }
        process.told = false;
        process.todo = process.entries;
        process.seen = Round::FIRST;
        match process.todo {
            0 => At::List,
            _ => At::Entries,
        }
    }
}
