//! What can go wrong with a component and with a call.

use std::time::Duration;

use justping_core::model::Capability;

use super::code::Export;
use crate::contract::Failure;

/// Why a component was not taken. Nothing of it has run.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum LoadError {
    /// It is larger than the limit.
    #[error("the component has {bytes} bytes, {max} are allowed")]
    TooLarge {
        /// Its bytes.
        bytes: usize,
        /// The limit.
        max: usize,
    },
    /// It is no WebAssembly.
    #[error("this is no WebAssembly component: {0}")]
    Malformed(String),
    /// It is a core module, which a component is made of.
    #[error("this is a core module; make it a component, such as with `wasm-tools component new`")]
    CoreModule,
    /// It wants WASI: files, sockets, an environment.
    #[error("it imports {0}; plugins have no WASI, only what the contract offers")]
    Wasi(String),
    /// It was built for another version of the contract.
    #[error("it needs {name}, this platform speaks version {speaks} of the contract")]
    Contract {
        /// The interface with its version.
        name: String,
        /// The version spoken here.
        speaks: &'static str,
    },
    /// It imports what the contract does not have.
    #[error("it imports {0}, which the contract does not have")]
    UnknownImport(String),
    /// It exports nothing of the contract.
    #[error(
        "it exports nothing of the contract: no nodes, tools, hooks, subscriber, channels, filters"
    )]
    NoExports,
    /// It has more of something than the limit.
    #[error("it has {count} {what}, {max} are allowed")]
    TooComplex {
        /// Of what.
        what: &'static str,
        /// How many.
        count: u64,
        /// The limit.
        max: u64,
    },
    /// It breaks a rule of WebAssembly, or an import or export is not what the contract says.
    #[error("it is not valid: {0}")]
    Invalid(String),
    /// Others are being compiled: try again later.
    #[error("the compiler is busy")]
    Busy,
    /// It took too long to compile.
    #[error("it takes longer than {} s to compile", limit.as_secs())]
    TooSlow {
        /// The limit.
        limit: Duration,
    },
    /// The sandbox has ended.
    #[error("the sandbox has ended")]
    Closed,
}

impl LoadError {
    /// A stable code.
    pub fn code(&self) -> &'static str {
        match self {
            Self::TooLarge { .. } => "component_too_large",
            Self::Malformed(_) => "component_malformed",
            Self::CoreModule => "core_module",
            Self::Wasi(_) => "wasi_import",
            Self::Contract { .. } => "contract_version",
            Self::UnknownImport(_) => "unknown_import",
            Self::NoExports => "no_exports",
            Self::TooComplex { .. } => "component_too_complex",
            Self::Invalid(_) => "component_invalid",
            Self::Busy => "compiler_busy",
            Self::TooSlow { .. } => "compile_timeout",
            Self::Closed => "sandbox_closed",
        }
    }

    /// Whether the same component may be taken later.
    pub fn is_passing(&self) -> bool {
        matches!(self, Self::Busy | Self::Closed)
    }
}

/// Why a call has no answer.
#[derive(Debug, Clone, thiserror::Error)]
pub enum CallError {
    /// Too many calls of the business run or wait already, or this one waited too long.
    #[error("too many calls at once")]
    Busy,
    /// The plugin does not export it.
    #[error("the plugin exports no {}", .0.name())]
    NotExported(Export),
    /// What it would be told is too large.
    #[error("the input has {bytes} bytes, {max} are allowed")]
    Input {
        /// The bytes.
        bytes: usize,
        /// The limit.
        max: usize,
    },
    /// What it returned, or gave to the platform, is too large.
    #[error("the output is larger than {max} bytes")]
    Output {
        /// The limit.
        max: usize,
    },
    /// It computed for too long.
    #[error("it computed for more than {} ms", limit.as_millis())]
    Cpu {
        /// The limit.
        limit: Duration,
    },
    /// It took too long.
    #[error("it took more than {} ms", limit.as_millis())]
    Wall {
        /// The limit.
        limit: Duration,
    },
    /// It wanted more memory, or larger tables, than it may have, and gave up.
    #[error("it needs more than {max} bytes of memory")]
    Memory {
        /// The limit.
        max: usize,
    },
    /// Its stack is full.
    #[error("its stack is full")]
    Stack,
    /// It called the platform too often.
    #[error("it called {} more than {max} times", .capability.name())]
    HostCalls {
        /// What.
        capability: Capability,
        /// The limit.
        max: u32,
    },
    /// It used a capability that is not granted, where there is no other way to say so.
    #[error("it is not granted {}", .0.name())]
    Denied(Capability),
    /// It broke off.
    #[error("it trapped: {0}")]
    Trap(String),
    /// What it returned cannot be read.
    #[error("what it returned cannot be read: {0}")]
    Invalid(String),
    /// It says that it could not do its work.
    #[error("it failed: {}", .0.message)]
    Failed(Failure),
    /// The sandbox has ended.
    #[error("the sandbox has ended")]
    Closed,
}

impl CallError {
    /// A stable code. [`Failed`](Self::Failed) has the plugin's own besides.
    pub fn code(&self) -> &'static str {
        match self {
            Self::Busy => "busy",
            Self::NotExported(_) => "not_exported",
            Self::Input { .. } => "input_too_large",
            Self::Output { .. } => "output_too_large",
            Self::Cpu { .. } => "cpu_exceeded",
            Self::Wall { .. } => "timeout",
            Self::Memory { .. } => "memory_exceeded",
            Self::Stack => "stack_overflow",
            Self::HostCalls { .. } => "too_many_host_calls",
            Self::Denied(_) => "denied",
            Self::Trap(_) => "trap",
            Self::Invalid(_) => "invalid_output",
            Self::Failed(_) => "failed",
            Self::Closed => "sandbox_closed",
        }
    }

    /// Whether the plugin is broken or hostile, which a breaker should count. A plugin that says in
    /// words that it failed is neither, nor is one that was not called.
    pub fn is_fault(&self) -> bool {
        match self {
            Self::Busy
            | Self::Input { .. }
            | Self::NotExported(_)
            | Self::Denied(_)
            | Self::Failed(_)
            | Self::Closed => false,
            Self::Output { .. }
            | Self::Cpu { .. }
            | Self::Wall { .. }
            | Self::Memory { .. }
            | Self::Stack
            | Self::HostCalls { .. }
            | Self::Trap(_)
            | Self::Invalid(_) => true,
        }
    }

    /// After how long the same call may do better, where that is known.
    pub fn retry_after(&self) -> Option<Duration> {
        match self {
            Self::Failed(failure) => failure.retry_after_ms.map(Duration::from_millis),
            _ => None,
        }
    }
}
