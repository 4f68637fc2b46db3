//! The whole as a [`Model`]: any process may do its next operation, and some
//! may stop for ever.

use stateright::{Model, Property};

use super::process::{At, Process, Task};
use super::state::State;
use super::world::{Keys, PROCESSES, spell};

/// More steps than any process has to do when nobody is in its way.
const ALONE: usize = 200;

/// What is done, by whom, and by which rules.
#[derive(Clone, Debug)]
pub(crate) struct System {
    pub(crate) jobs: Vec<Vec<Task>>,
    /// Processes that may stop for ever and have that counted: it makes no
    /// difference to what may be lost, only to what may be left.
    pub(crate) crashes: u8,
    /// Due entries wait for the task that wrote them.
    pub(crate) trusts_ages: bool,
    /// Operations that may be done side by side are done in any order.
    pub(crate) any_order: bool,
    pub(crate) descending: bool,
    /// Links may be written anew where there is one.
    pub(crate) renews: bool,
    /// So many of the first processes have ended before the others begin.
    pub(crate) before: usize,
    pub(crate) checks_rest: bool,
    pub(crate) checks_progress: bool,
    pub(crate) mutation: Option<Mutation>,
}

/// A step left out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Mutation {
    NoSecondLook,
    LookFirst,
    RemoveBlindly,
    CommitBlindly,
    UnseenIsFine,
    EndEarly,
    MountBlindly,
    NoRestating,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Action {
    Step { process: u8, choice: u8 },
    Crash { process: u8 },
}

impl Task {
    pub(crate) fn start(self) -> At {
        match self {
            Self::Collect { .. } => At::List,
            _ => At::Raise,
        }
    }
}

impl System {
    pub(crate) fn of(jobs: Vec<Vec<Task>>) -> Self {
        assert!(jobs.len() < PROCESSES);
        Self {
            jobs,
            crashes: 0,
            trusts_ages: false,
            any_order: false,
            descending: false,
            renews: false,
            before: 0,
            checks_rest: false,
            checks_progress: false,
            mutation: None,
        }
    }

    pub(crate) fn task(&self, index: usize, task: u8) -> Option<Task> {
        if index == PROCESSES - 1 {
            return Some(Task::Collect { rounds: 3 });
        }
        self.jobs.get(index)?.get(usize::from(task)).copied()
    }

    pub(crate) fn rounds(&self, index: usize) -> u8 {
        match self.task(index, 0) {
            Some(Task::Collect { rounds }) => rounds,
            _ => 0,
        }
    }

    /// The nonce of a collector's next round.
    pub(crate) fn nonce(&self, index: usize, process: &Process) -> u8 {
        let before: u8 = (0..index).map(|index| self.rounds(index)).sum();
        before + process.rounds
    }

    /// The key to go on with: the first, or whichever was chosen.
    pub(crate) fn pick(&self, todo: Keys, choice: u8) -> Keys {
        let mut rest = todo;
        for _ in 0..choice {
            rest &= rest.wrapping_sub(1);
        }
        if rest == 0 {
            return 0;
        }
        if self.descending && !self.any_order {
            return 1 << (Keys::BITS - 1 - rest.leading_zeros());
        }
        rest & rest.wrapping_neg()
    }

    fn choices(&self, process: &Process) -> u8 {
        match process.at {
            At::Truth if self.renews => 2,
            At::State if self.renews && !self.any_order => 2,
            At::State | At::Look | At::Remove | At::HelpRemove if self.any_order => {
                (process.todo.count_ones() as u8).max(1)
            }
            _ => 1,
        }
    }

    pub(crate) fn step(&self, state: &mut State, process: u8, choice: u8) {
        let index = usize::from(process);
        match self.task(index, state.processes[index].task) {
            Some(Task::Collect { .. }) => self.collect(state, index, choice),
            _ => self.write(state, index, choice),
        }
    }

    /// Lets a process do its work alone, and says whether it comes to an end.
    fn ends_alone(&self, state: &mut State, index: usize) -> bool {
        for _ in 0..ALONE {
            if !state.processes[index].runs() {
                return true;
            }
            self.step(state, index as u8, 0);
        }
        false
    }

    /// Says whether nobody waits for anybody.
    fn nobody_waits(&self, state: &State) -> bool {
        (0..self.jobs.len()).all(|index| self.ends_alone(&mut state.clone(), index))
    }

    /// Collects once more when everybody has gone, and says what is left over.
    pub(crate) fn rest(&self, state: &State) -> Keys {
        let mut state = *state;
        let last = PROCESSES - 1;
        state.processes[last] = Process::starting(0, At::List);
        assert!(
            self.ends_alone(&mut state, last),
            "the last collection ends"
        );
        let mut needed = 0;
        for repository in 0..super::world::REPOSITORIES {
            for manifest in super::world::MANIFESTS {
                let record = super::world::record(repository, manifest);
                if state.has(record) {
                    needed |= record
                        | super::world::bytes(manifest)
                        | super::world::holder(manifest, repository)
                        | super::world::reference(repository, manifest)
                        | super::world::link(repository)
                        | super::world::bytes(super::world::BLOB)
                        | super::world::holder(super::world::BLOB, repository);
                }
            }
        }
        state.keys & !needed
    }

    /// Tells a run in words.
    pub(crate) fn tell(&self, steps: Vec<(State, Option<Action>)>) -> String {
        let mut lines = Vec::new();
        for pair in steps.windows(2) {
            let [(before, Some(action)), (after, _)] = pair else {
                continue;
            };
            let (index, stopped) = match action {
                Action::Step { process, .. } => (usize::from(*process), ""),
                Action::Crash { process } => (usize::from(*process), "CRASH "),
            };
            let process = &before.processes[index];
            let mut line = format!(
                "p{index} {:?} {stopped}{:?}",
                self.task(index, process.task),
                process.at
            );
            if after.keys & !before.keys != 0 {
                line += &format!(" +{}", spell(after.keys & !before.keys));
            }
            if before.keys & !after.keys != 0 {
                line += &format!(" -{}", spell(before.keys & !after.keys));
            }
            if before.round != after.round {
                line += &format!(" {:?}", after.round);
            }
            if before.promised != after.promised {
                line += &format!(" promised: {}", spell(after.promised));
            }
            for (before, after) in before.plans.iter().zip(&after.plans) {
                if after & !before != 0 {
                    line += &format!(" plan: {}", spell(*after));
                }
            }
            lines.push(line);
        }
        lines.join("\n")
    }
}

impl Model for System {
    type State = State;
    type Action = Action;

    fn init_states(&self) -> Vec<State> {
        let mut processes = [Process::starting(u8::MAX, At::Ended); PROCESSES];
        for (process, tasks) in processes.iter_mut().zip(&self.jobs) {
            let at = tasks.first().map_or(At::Ended, |task| task.start());
            *process = Process::starting(0, at);
        }
        let conditional = self.mutation != Some(Mutation::RemoveBlindly);
        let mut state = State::new(processes, conditional);
        for index in 0..self.before {
            assert!(self.ends_alone(&mut state, index), "{index} ends");
        }
        vec![state]
    }

    fn actions(&self, state: &State, actions: &mut Vec<Action>) {
        for index in 0..self.jobs.len() {
            let running = &state.processes[index];
            if !running.runs() {
                continue;
            }
            let process = index as u8;
            for choice in 0..self.choices(running) {
                actions.push(Action::Step { process, choice });
            }
            if state.crashes < self.crashes {
                actions.push(Action::Crash { process });
            }
        }
    }

    fn next_state(&self, last: &State, action: Action) -> Option<State> {
        let mut state = *last;
        match action {
            Action::Step { process, choice } => self.step(&mut state, process, choice),
            Action::Crash { process } => {
                let stopped = &mut state.processes[usize::from(process)];
                *stopped = Process::starting(stopped.task, At::Crashed);
                state.crashes += 1;
            }
        }
        Some(state)
    }

    fn properties(&self) -> Vec<Property<Self>> {
        let mut properties = vec![
            Property::always("whole", |_, state: &State| state.keeps_promises()),
            Property::sometimes("acknowledges", |_, state: &State| state.promised != 0),
        ];
        if self.checks_progress {
            properties.push(Property::always(
                "unblocked",
                |system: &Self, state: &State| system.nobody_waits(state),
            ));
        }
        if self.checks_rest {
            properties.push(Property::always("clean", |system: &Self, state: &State| {
                !state.is_over() || system.rest(state) == 0
            }));
        }
        properties
    }
}
