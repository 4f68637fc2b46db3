//! The steps of a collector.

use super::judge::{self, Pairs};
use super::process::{At, Process, Task};
use super::state::{State, among};
use super::system::{Mutation, System};
use super::world::{
    BLOB, Digests, Keys, MANIFESTS, PROCESSES, Phase, Plan, REPOSITORIES, Round, TASKS, bytes, due,
    dues, holders, references,
};

impl System {
    pub(crate) fn collect(&self, state: &mut State, index: usize, choice: u8) {
        let mut process = state.processes[index];
        let looks_first = self.mutation == Some(Mutation::LookFirst);
        let ends_early = self.mutation == Some(Mutation::EndEarly);
        match process.at {
            At::List => {
                process = Process {
                    tries: process.tries,
                    ..Process::stopped(process.task, At::Manifests)
                };
                process.entries = self.ripe(state);
                process.held = process.entries;
                if process.entries == 0 || process.tries == self.rounds(index) {
                    process = Process::stopped(process.task, At::Ended);
                }
            }
            At::Manifests => {
                for manifest in MANIFESTS {
                    if state.has(bytes(manifest)) {
                        process.readable |= 1 << manifest;
                    }
                }
                process.digests = self.concerned(process.entries, &process).0;
                process.at = At::Round;
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
            At::Judge => {
                let judging = Round {
                    number: process.seen.number + 1,
                    phase: Phase::Judging,
                    nonce: self.nonce(index, &process),
                    digests: process.digests,
                };
                if state.swap_round(process.seen, judging) {
                    process.seen = judging;
                    process.tries += 1;
                    process.at = match looks_first {
                        true => self.decide(&process),
                        false => self.begin_looking(&mut process),
                    };
                } else {
                    process.at = At::Round;
                }
            }
            At::TakeOver => {
                state.swap_round(process.seen, process.seen.ended());
                process.at = At::Round;
            }
            At::Names => {
                let names = self.pick_list(process.todo, choice);
                process.todo &= !names;
                process.found |= names & state.keys;
                if process.todo == 0 {
                    let (_, reads) = judge::questions(&self.pairs(&process));
                    process.todo = reads | process.found | judge::records_of(process.found);
                    process.found = 0;
                    process.at = At::Look;
                }
            }
            At::Look => {
                let key = self.pick(process.todo, choice);
                process.todo &= !key;
                process.found |= key & state.keys;
                process.held |= key & state.keys;
                if process.todo == 0 {
                    process.at = match looks_first {
                        true => At::Judge,
                        false => self.decide(&process),
                    };
                }
            }
            At::Write => {
                let (goes, _) = judge::judge(&process, &self.pairs(&process));
                let removals = match state.conditional {
                    true => goes & process.held,
                    false => goes,
                };
                state.plans[usize::from(process.seen.nonce)] = Plan {
                    there: true,
                    removals,
                };
                process.at = At::Commit;
            }
            At::Commit => {
                let (_, losing) = judge::judge(&process, &self.pairs(&process));
                let removing = Round {
                    phase: Phase::Removing,
                    digests: losing,
                    ..process.seen
                };
                let blindly = self.mutation == Some(Mutation::CommitBlindly);
                if blindly {
                    state.round = removing;
                }
                if blindly || state.swap_round(process.seen, removing) {
                    process.seen = removing;
                    process.todo = state.plans[usize::from(removing.nonce)].removals;
                    process.at = match process.todo {
                        _ if ends_early => At::End,
                        0 => At::Drop,
                        _ => At::Remove,
                    };
                } else {
                    process.at = At::Lost;
                }
            }
            At::Lost => {
                let round = state.round;
                let mine = round.phase == Phase::Judging && round.nonce == process.seen.nonce;
                if mine {
                    process.seen = round;
                    process.digests &= round.digests;
                    process.at = self.decide(&process);
                } else {
                    process.entries = 0;
                    process.at = At::Drop;
                }
            }
            At::Remove => {
                let key = self.pick(process.todo, choice);
                process.todo &= !key;
                state.processes[index] = process;
                if key != 0 {
                    state.delete(key);
                }
                process = state.processes[index];
                if process.todo == 0 {
                    process.at = At::Drop;
                }
            }
            At::Drop => {
                state.plans[usize::from(process.seen.nonce)] = Plan::NONE;
                process.at = match process.entries {
                    0 => At::List,
                    _ if ends_early => self.begin_entries(&mut process),
                    _ => At::End,
                };
            }
            At::End => {
                let removed = process.seen.phase == Phase::Removing;
                let ended = state.swap_round(process.seen, process.seen.ended());
                process.at = match () {
                    () if !removed && !ended => At::Lost,
                    () if ends_early && removed => At::Remove,
                    () => self.begin_entries(&mut process),
                };
            }
            At::Entries => {
                let key = self.pick(process.todo, choice);
                process.todo &= !key;
                state.delete(key);
                if process.todo == 0 {
                    process.at = At::List;
                }
            }
            _ => self.help(state, index, &mut process, choice),
        }
        state.processes[index] = process;
    }

    /// What is due: where ages can be trusted, nothing of a task that is still
    /// being done.
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

    /// The digests that due entries are about, and in which repositories.
    fn concerned(&self, entries: Keys, process: &Process) -> (Digests, Pairs) {
        let mut pairs: Pairs = [0; REPOSITORIES];
        for index in 0..PROCESSES - 1 {
            for task in 0..TASKS {
                if entries & due(index, task) == 0 {
                    continue;
                }
                match self.task(index, task as u8) {
                    Some(Task::Push { to } | Task::Mount { to, .. }) => pairs[to] |= 1 << BLOB,
                    Some(Task::DeleteBlob { of }) => pairs[of] |= 1 << BLOB,
                    Some(
                        Task::Put { to, manifest } | Task::DeleteManifest { of: to, manifest },
                    ) => {
                        pairs[to] |= 1 << manifest;
                        if among(process.readable, manifest) {
                            pairs[to] |= 1 << BLOB;
                        }
                    }
                    Some(Task::Collect { .. }) | None => {}
                }
            }
        }
        (pairs.iter().fold(0, |all, some| all | some), pairs)
    }

    fn pairs(&self, process: &Process) -> Pairs {
        self.concerned(process.entries, process).1
    }

    fn begin_looking(&self, process: &mut Process) -> At {
        let (lists, _) = judge::questions(&self.pairs(process));
        process.todo = lists;
        At::Names
    }

    /// Removes the entries whose digests have all been judged.
    fn begin_entries(&self, process: &mut Process) -> At {
        process.todo = 0;
        for index in 0..PROCESSES - 1 {
            for task in 0..TASKS {
                let key = process.entries & process.held & due(index, task);
                let (digests, _) = self.concerned(key, process);
                if digests & !process.digests == 0 {
                    process.todo |= key;
                }
            }
        }
        if process.todo == 0 {
            return At::List;
        }
        At::Entries
    }

    fn decide(&self, process: &Process) -> At {
        match judge::judge(process, &self.pairs(process)) {
            (0, _) => At::End,
            _ => At::Write,
        }
    }

    /// One listing: the references in a repository, or the holders of a digest.
    fn pick_list(&self, todo: Keys, choice: u8) -> Keys {
        let key = self.pick(todo, choice);
        for list in [
            references(0),
            references(1),
            holders(0),
            holders(1),
            holders(2),
        ] {
            if list & key != 0 {
                return list;
            }
        }
        key
    }
}
