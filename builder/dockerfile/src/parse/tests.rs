//! Tests of the parser: the corpus, another parser's opinion, and properties.

mod corpus;
mod json;
mod oracle;
mod printer;
mod properties;
mod render;
