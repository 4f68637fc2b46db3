//! The steps of whoever writes: pushes, mounts, puts and deletes.

use super::process::{At, Process, Task};
use super::state::State;
use super::system::{Mutation, System};
use super::world::{
    BLOB, Digests, Keys, Phase, Round, bytes, due, holder, link, record, reference,
};

/// What a task has to do with, by the name of its keys.
#[derive(Clone, Copy)]
struct Needs {
    digests: Digests,
    /// What the task writes: nobody looks for it before the truth is there.
    maybes: Keys,
    /// What has to be there before.
    others: Keys,
    truth: Keys,
}

fn needs(task: Task) -> Needs {
    let (digests, maybes, others, truth) = match task {
        Task::Push { to } => (1 << BLOB, holder(BLOB, to) | bytes(BLOB), 0, link(to)),
        Task::Mount { to, .. } => (1 << BLOB, holder(BLOB, to), bytes(BLOB), link(to)),
        Task::Put { to, manifest } => (
            1 << BLOB | 1 << manifest,
            holder(manifest, to) | reference(to, manifest) | bytes(manifest),
            link(to) | holder(BLOB, to) | bytes(BLOB),
            record(to, manifest),
        ),
        Task::DeleteManifest { of, manifest } => (1 << manifest, 0, 0, record(of, manifest)),
        Task::DeleteBlob { of } => (1 << BLOB, 0, 0, link(of)),
        Task::Collect { .. } => (0, 0, 0, 0),
    };
    Needs {
        digests,
        maybes,
        others,
        truth,
    }
}

impl System {
    pub(crate) fn write(&self, state: &mut State, index: usize, choice: u8) {
        let mut process = state.processes[index];
        let Some(task) = self.task(index, process.task) else {
            return;
        };
        let needs = needs(task);
        let key = self.pick(process.todo, choice);
        match process.at {
            At::Raise | At::Pass | At::CutOut => {
                process = self.leave(state, index, process, (task, needs));
            }
            At::Source => {
                process.todo &= !key;
                if !state.has(key) {
                    process = Process::starting(process.task, At::Ended);
                } else if process.todo == 0 {
                    process.at = At::Due;
                }
            }
            At::Due | At::LastDue => {
                // Each entry has a name of its own; of two of one task, the
                // later one does for both.
                state.rewrite(due(index, usize::from(process.task)));
                process = self.after_due(state, index, process, (task, needs));
            }
            At::Affirm => {
                process = self.affirm(state, process, (task, needs), key);
            }
            At::State => {
                process.todo &= !key;
                let is_fact = key & (holder(BLOB, 0) | holder(BLOB, 1)) != 0;
                self.state_fact(state, key, self.renews && is_fact && choice > 0);
                if process.todo == 0 {
                    process.at = match task {
                        Task::Put { .. } if process.told => At::Recheck,
                        _ => At::Truth,
                    };
                }
            }
            At::Recheck => {
                process.at = match state.has(needs.truth) {
                    true => At::Pass,
                    false => At::Truth,
                };
            }
            At::Truth => process = self.tell_truth(state, process, (task, needs), choice),
            At::Withdraw => {
                if process.held & needs.truth != 0 {
                    state.delete(needs.truth);
                }
                process.at = At::LastDue;
            }
            _ => self.help(state, index, &mut process, choice),
        }
        if process.at == At::Pass && self.mutation == Some(Mutation::NoSecondLook) {
            process = self.acknowledge(state, index, process, task);
        }
        state.processes[index] = process;
    }

    /// Takes the digests of this task out of the round.
    fn leave(
        &self,
        state: &mut State,
        index: usize,
        mut process: Process,
        (task, needs): (Task, Needs),
    ) -> Process {
        if process.at == At::CutOut {
            let cut = Round {
                digests: process.seen.digests & !needs.digests,
                ..process.seen
            };
            if state.swap_round(process.seen, cut) {
                process.seen = cut;
                return self.left(state, index, process, (task, needs));
            }
            process.at = if process.told { At::Pass } else { At::Raise };
            return process;
        }
        process.seen = state.round;
        let mine = process.seen.digests & needs.digests != 0;
        process.at = match process.seen.phase {
            Phase::Judging if mine => At::CutOut,
            Phase::Removing if mine => At::HelpPlan,
            _ => return self.left(state, index, process, (task, needs)),
        };
        process
    }

    /// Reads a key that has to be there.
    fn affirm(
        &self,
        state: &mut State,
        mut process: Process,
        (task, needs): (Task, Needs),
        key: Keys,
    ) -> Process {
        process.todo &= !key;
        if key & (holder(BLOB, 0) | holder(BLOB, 1)) != 0 {
            state.create(key);
        } else if !state.has(key) {
            if !process.told || !matches!(task, Task::Put { .. }) {
                return Process::starting(process.task, At::Ended);
            }
            process.at = At::Withdraw;
            process.todo = 0;
            return process;
        }
        if process.todo == 0 {
            self.begin_stating(&mut process, needs);
        }
        process
    }

    /// Makes a fact so. One that is there may be written anew, if it is old.
    fn state_fact(&self, state: &mut State, key: Keys, anew: bool) {
        if anew {
            state.rewrite(key);
        } else {
            state.create(key);
        }
    }

    /// What follows a look at the round, which has nothing of this task in it.
    fn left(
        &self,
        state: &mut State,
        index: usize,
        mut process: Process,
        (task, needs): (Task, Needs),
    ) -> Process {
        let (before, number) = (process.number, process.seen.number);
        let missed = match process.seen.phase {
            _ if process.helped => true,
            Phase::Idle => number > before,
            _ => number > before + 1,
        };
        process.number = number;
        process.helped = false;
        process.seen = Round::FIRST;
        if !process.told {
            process.at = At::Due;
            if let Task::Mount { from, .. } = task {
                process.at = At::Source;
                process.todo = link(from) | self.needed(task, needs) & bytes(BLOB);
            }
            return process;
        }
        if missed && self.mutation != Some(Mutation::UnseenIsFine) {
            process.at = At::Due;
            return process;
        }
        self.acknowledge(state, index, process, task)
    }

    fn needed(&self, task: Task, needs: Needs) -> Keys {
        let blindly = self.mutation == Some(Mutation::MountBlindly);
        match task {
            Task::Mount { .. } if blindly => 0,
            // The bytes of an upload can be published once.
            Task::Push { .. } => bytes(BLOB),
            _ => needs.others,
        }
    }

    fn after_due(
        &self,
        state: &mut State,
        index: usize,
        mut process: Process,
        (task, needs): (Task, Needs),
    ) -> Process {
        if process.at == At::LastDue {
            return Process::starting(process.task, At::Ended);
        }
        match task {
            Task::DeleteManifest { .. } | Task::DeleteBlob { .. } if process.told => {
                return self.acknowledge(state, index, process, task);
            }
            Task::DeleteManifest { .. } | Task::DeleteBlob { .. } => process.at = At::Truth,
            Task::Push { .. } | Task::Mount { .. } if !process.told => {
                self.begin_stating(&mut process, needs);
            }
            _ => {
                process.at = At::Affirm;
                process.todo = self.needed(task, needs);
                if process.todo == 0 {
                    self.begin_stating(&mut process, needs);
                }
            }
        }
        process
    }

    fn begin_stating(&self, process: &mut Process, needs: Needs) {
        process.at = At::State;
        process.todo = needs.maybes;
        if process.told && needs.digests == 1 << BLOB {
            process.todo &= !bytes(BLOB);
        }
        if self.mutation == Some(Mutation::NoRestating) && process.told {
            process.todo = 0;
            process.at = At::Recheck;
        }
    }

    fn tell_truth(
        &self,
        state: &mut State,
        mut process: Process,
        (task, needs): (Task, Needs),
        choice: u8,
    ) -> Process {
        match task {
            Task::Put { .. } => {
                state.rewrite(needs.truth);
                state.deleted &= !needs.truth;
                process.held |= needs.truth;
            }
            Task::DeleteBlob { .. } => {
                state.delete(needs.truth);
                state.taken |= needs.truth;
                for other in &mut state.processes {
                    other.clean &= !other.runs();
                }
                process.clean = false;
            }
            Task::DeleteManifest { .. } => {
                if state.has(needs.truth) {
                    state.deleted |= needs.truth;
                }
                state.delete(needs.truth);
                state.promised &= !needs.truth;
            }
            _ => self.state_fact(state, needs.truth, choice > 0),
        }
        process.told = true;
        process.at = At::Pass;
        process
    }

    fn acknowledge(
        &self,
        state: &mut State,
        index: usize,
        process: Process,
        task: Task,
    ) -> Process {
        match task {
            Task::Put { to, manifest } => {
                let truth = record(to, manifest);
                if state.has(truth) || state.deleted & truth == 0 {
                    state.promised |= truth;
                }
            }
            Task::Push { to } | Task::Mount { to, .. } if process.clean => {
                state.taken &= !link(to);
                state.lied |= !state.has(link(to) | bytes(BLOB) | holder(BLOB, to));
            }
            _ => {}
        }
        let next = process.task + 1;
        match self.task(index, next) {
            Some(_) => Process::starting(next, At::Raise),
            None => Process::starting(next, At::Ended),
        }
    }

    /// Finishes the round of somebody else.
    pub(crate) fn help(&self, state: &mut State, index: usize, process: &mut Process, choice: u8) {
        match process.at {
            At::HelpPlan => {
                // Who removed the plan had done what it says.
                process.todo = state.plans[usize::from(process.seen.nonce)];
                process.at = match process.todo {
                    0 => At::HelpEnd,
                    _ => At::HelpRemove,
                };
            }
            At::HelpRemove => {
                let key = self.pick(process.todo, choice);
                process.todo &= !key;
                state.processes[index] = *process;
                state.delete(key);
                *process = state.processes[index];
                if process.todo == 0 {
                    process.at = At::HelpEnd;
                }
            }
            At::HelpEnd => {
                state.swap_round(process.seen, process.seen.ended());
                let collects = matches!(self.task(index, process.task), Some(Task::Collect { .. }));
                process.helped = process.told;
                process.at = match process.told {
                    _ if collects => At::Round,
                    true => At::Pass,
                    false => At::Raise,
                };
                process.seen = Round::FIRST;
            }
            _ => {}
        }
    }
}
