//! Tests of the checks: the corpus, what holds of every file, and the page
//! that describes the rules.

mod corpus;
mod properties;
mod secrets;
