mod contract;
mod recorded;
mod server;
mod wire;
