//! `RUN`: what commands leave in layers, what they see around them, and what they are
//! lent.

mod around;
mod leaving;
mod mounting;
mod packaging;
mod refused;

pub(crate) use around::AROUND;
pub(crate) use leaving::LEAVING;
pub(crate) use mounting::MOUNTING;
pub(crate) use packaging::PACKAGING;
pub(crate) use refused::RUN_REFUSED;
