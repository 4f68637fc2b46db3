//! One folder for each case.
