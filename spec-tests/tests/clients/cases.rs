//! Named cases inside one test: what is slow to start is started once, and still
//! every case is told apart. A failed case does not stop those after it.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::time::Instant;

/// The cases of one test so far.
pub(crate) struct Cases {
    test: String,
    passed: u32,
    failed: Vec<String>,
}

impl Cases {
    pub(crate) fn new(test: &str) -> Self {
        let test = test.to_owned();
        Self {
            test,
            passed: 0,
            failed: Vec::new(),
        }
    }

    /// Runs one case, prints its name, outcome and time.
    pub(crate) fn run(&mut self, name: &str, case: impl FnOnce()) {
        let start = Instant::now();
        let outcome = catch_unwind(AssertUnwindSafe(case));
        let time = start.elapsed().as_secs_f64();
        let word = if outcome.is_ok() { "ok" } else { "FAILED" };
        println!("case {}: {name} ... {word} ({time:.1} s)", self.test);
        match outcome {
            Ok(()) => self.passed += 1,
            Err(_) => self.failed.push(name.to_owned()),
        }
    }

    /// Ends the test.
    ///
    /// # Panics
    /// Panics with the names of the failed cases, or when there was no case.
    pub(crate) fn finish(self) {
        println!("{} cases passed", self.passed);
        assert!(self.failed.is_empty(), "failed cases: {:?}", self.failed);
        assert!(self.passed > 0, "a test without a case proves nothing");
    }
}
