//! Flows of other systems.

mod behave;
mod count;
mod damage;
mod fixture;
mod supplied;
