mod ai;
mod ask;
mod plain;
