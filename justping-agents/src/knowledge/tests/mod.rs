//! Reading sources, and asking what they say.

mod cutting;
mod extracting;
mod fusing;
mod ingesting;
mod pdf;
