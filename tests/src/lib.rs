//! The tests of netipc.
pub mod vectors;

pub mod conversation;
pub mod declared;
pub mod envelope;
pub mod generate;
#[cfg(target_os = "linux")]
pub mod hostile;
pub mod hygiene;
#[cfg(target_os = "linux")]
pub mod memory;
pub mod mutate;
pub mod natural;
#[cfg(target_os = "linux")]
pub mod older;
pub mod oracle;
pub mod payload_vectors;
pub mod processes;
pub mod random;
#[cfg(target_os = "linux")]
pub mod raw;
#[cfg(target_os = "linux")]
pub mod region;
pub mod regions;
pub mod seeds;
