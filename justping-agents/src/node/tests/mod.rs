mod ai;
mod ask;
mod contract;
mod http;
mod people;
mod plain;
