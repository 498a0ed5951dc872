mod ai;
mod ask;
mod contract;
mod plain;
