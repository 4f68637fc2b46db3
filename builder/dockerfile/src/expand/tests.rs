//! Cases in a table, properties of every text, and limits.

mod corpus;
mod limits;
mod properties;
