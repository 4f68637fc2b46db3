//! The steps of whoever writes: pushes, mounts, puts and deletes.

use super::process::{At, Process, Task};
use super::state::State;
use super::system::{Mutation, System};
use super::world::{
    BLOB, Digests, Keys, Phase, Round, bytes, due, holder, link, record, reference,
};

/// What a task needs, by the name of its key.
struct Needs {
    digests: Digests,
    /// What is written first: nobody looks for it before the truth is there.
    maybes: Keys,
    /// What somebody else has written, or the task itself before.
    others: Keys,
    truth: Keys,
}

fn needs(task: Task) -> Needs {
    match task {
        Task::Push { to } => Needs {
            digests: 1 << BLOB,
            maybes: holder(BLOB, to) | bytes(BLOB),
            others: 0,
            truth: link(to),
        },
        Task::Mount { to, .. } => Needs {
            digests: 1 << BLOB,
            maybes: holder(BLOB, to),
            others: bytes(BLOB),
            truth: link(to),
        },
        Task::Put { to, manifest } => Needs {
            digests: 1 << BLOB | 1 << manifest,
            maybes: holder(manifest, to) | reference(to, manifest) | bytes(manifest),
            others: link(to) | holder(BLOB, to) | bytes(BLOB),
            truth: record(to, manifest),
        },
        Task::DeleteManifest { of, manifest } => Needs {
            digests: 0,
            maybes: 0,
            others: 0,
            truth: record(of, manifest),
        },
        Task::DeleteBlob { of } => Needs {
            digests: 0,
            maybes: 0,
            others: 0,
            truth: link(of),
        },
        Task::Collect { .. } => Needs {
            digests: 0,
            maybes: 0,
            others: 0,
            truth: 0,
        },
    }
}

impl System {
    pub(crate) fn write(&self, state: &mut State, index: usize, choice: u8) {
        let mut process = state.processes[index];
        let Some(task) = self.task(index, process.task) else {
            return;
        };
        let needs = needs(task);
        match process.at {
            At::Begin => {
                process.since = state.round;
                process.at = At::State;
                process.todo = self.maybes(index, &process, &needs);
                if let Task::Mount { from, .. } = task {
                    process.at = At::Source;
                    process.todo = link(from) | bytes(BLOB);
                    if self.mutation == Some(Mutation::MountBlindly) {
                        process.todo = link(from);
                    }
                }
            }
            At::Source => {
                let key = self.pick(process.todo, choice);
                process.todo &= !key;
                if !state.has(key) {
                    process = Process::stopped(process.task, At::Ended);
                } else if process.todo == 0 {
                    process.at = At::State;
                    process.todo = self.maybes(index, &process, &needs);
                }
            }
            At::State => {
                let due = process.todo & due(index, usize::from(process.task));
                let key = match due {
                    0 => self.pick(process.todo, choice),
                    due => due,
                };
                process.todo &= !key;
                state.create(key);
                if process.todo == 0 {
                    self.affirm(&mut process, &needs, task);
                }
            }
            At::Affirm => {
                let key = self.pick(process.todo, choice);
                process.todo &= !key;
                if state.has(key) {
                    if process.todo == 0 {
                        process.at = At::Truth;
                    }
                } else if process.told {
                    process.at = At::Undo;
                } else {
                    process = Process::stopped(process.task, At::Ended);
                }
            }
            At::Truth => {
                let is_record = matches!(task, Task::Put { .. });
                if is_record || choice > 0 || !state.has(needs.truth) {
                    state.rewrite(needs.truth);
                    state.deleted &= !needs.truth;
                    process.held |= needs.truth;
                }
                process.told = true;
                process.at = At::Again;
                if self.mutation == Some(Mutation::NoSecondLook) {
                    process = self.acknowledge(state, index, process, task);
                }
            }
            At::Again => process = self.look_again(state, index, process, (task, &needs)),
            At::CutOut => {
                let cut = Round {
                    digests: state.round.digests & !needs.digests,
                    ..state.round
                };
                if state.swap_round(process.seen, cut) {
                    process.seen = cut;
                    process = self.unless_missed(state, index, process, (task, &needs));
                } else {
                    process.at = At::Again;
                }
            }
            At::Undo => {
                if process.held & needs.truth != 0 {
                    state.delete(needs.truth);
                }
                process = Process::stopped(process.task, At::Ended);
            }
            At::DeleteDue => {
                state.create(due(index, usize::from(process.task)));
                process.at = At::Delete;
            }
            At::Delete => {
                state.delete(needs.truth);
                if let Task::DeleteBlob { .. } = task {
                    state.taken |= needs.truth;
                    for other in &mut state.processes {
                        other.clean &= !other.runs();
                    }
                } else {
                    state.promised &= !needs.truth;
                    state.deleted |= needs.truth;
                }
                process = self.next_task(index, process);
            }
            _ => self.help(state, index, &mut process, choice),
        }
        state.processes[index] = process;
    }

    fn maybes(&self, index: usize, process: &Process, needs: &Needs) -> Keys {
        let keys = needs.maybes | due(index, usize::from(process.task));
        // The bytes of an upload can be published once.
        let spent = process.told && needs.digests == 1 << BLOB;
        if spent { keys & !bytes(BLOB) } else { keys }
    }

    fn affirm(&self, process: &mut Process, needs: &Needs, task: Task) {
        process.at = At::Affirm;
        process.todo = needs.maybes | needs.others;
        if !self.affirms_references {
            process.todo &= !super::world::references(0) & !super::world::references(1);
        }
        if self.mutation == Some(Mutation::MountBlindly) && matches!(task, Task::Mount { .. }) {
            process.todo &= !bytes(BLOB);
        }
    }

    /// e) What has become of the round since the first look.
    fn look_again(
        &self,
        state: &mut State,
        index: usize,
        mut process: Process,
        (task, needs): (Task, &Needs),
    ) -> Process {
        process.seen = state.round;
        let mine = process.seen.digests & needs.digests != 0;
        match process.seen.phase {
            Phase::Judging if mine => process.at = At::CutOut,
            Phase::Removing if mine => process.at = At::HelpPlan,
            _ => return self.unless_missed(state, index, process, (task, needs)),
        }
        process
    }

    /// Acknowledges unless a round may have decided about what was written.
    fn unless_missed(
        &self,
        state: &mut State,
        index: usize,
        mut process: Process,
        (task, needs): (Task, &Needs),
    ) -> Process {
        let (since, seen) = (process.since, process.seen);
        // A round that was already there with these digests when the task
        // began, and has ended, may have decided about them.
        let untouched = since.digests & needs.digests == 0;
        let next = seen.number == since.number + 1 && seen.phase != Phase::Idle;
        let missed = match seen.number - since.number {
            0 => !untouched && seen.phase == Phase::Idle,
            _ => !(next && untouched),
        };
        if missed && self.mutation != Some(Mutation::UnseenIsFine) {
            process.since = seen;
            self.again(index, &mut process, needs, task);
            return process;
        }
        self.acknowledge(state, index, process, task)
    }

    /// Begins again after the first look.
    fn again(&self, index: usize, process: &mut Process, needs: &Needs, task: Task) {
        process.tries += 1;
        if self.restates {
            process.at = At::State;
            process.todo = self.maybes(index, process, needs);
        } else {
            self.affirm(process, needs, task);
        }
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
            }
            _ => {}
        }
        self.next_task(index, process)
    }

    fn next_task(&self, index: usize, process: Process) -> Process {
        let next = process.task + 1;
        match self.task(index, next) {
            Some(task) => Process::stopped(next, task.start()),
            None => Process::stopped(next, At::Ended),
        }
    }

    /// Finishes the round of somebody else.
    pub(crate) fn help(&self, state: &mut State, index: usize, process: &mut Process, choice: u8) {
        match process.at {
            At::HelpPlan => {
                // Who removed the plan had done what it says.
                process.todo = state.plans[usize::from(process.seen.nonce)].removals;
                process.at = At::HelpRemove;
                if process.todo == 0 {
                    process.at = At::HelpDrop;
                }
            }
            At::HelpRemove => {
                let key = self.pick(process.todo, choice);
                if process.todo != 0 {
                    process.todo &= !key;
                    state.processes[index] = *process;
                    state.delete(key);
                    *process = state.processes[index];
                }
                if process.todo == 0 {
                    process.at = At::HelpDrop;
                }
            }
            At::HelpDrop => {
                state.plans[usize::from(process.seen.nonce)] = super::world::Plan::NONE;
                process.at = At::HelpEnd;
            }
            At::HelpEnd => {
                state.swap_round(process.seen, process.seen.ended());
                process.at = match self.task(index, process.task) {
                    Some(Task::Collect { .. }) => At::Round,
                    _ => At::Again,
                };
                // A writer has missed it, then, and begins again.
                process.since = Round::FIRST;
            }
            _ => {}
        }
    }
}
