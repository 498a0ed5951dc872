//! Flows of other systems.

mod behave;
pub(crate) mod count;
mod damage;
mod fixture;
pub(crate) mod supplied;
