//! Tests of the parser: the corpus, files of many styles, another parser's
//! opinion, and properties.

pub(crate) mod corpus;
mod json;
mod oracle;
pub(crate) mod properties;
pub(crate) mod render;
mod styles;
