//! The parts of a service that an instance can have alone.

/// One part. An instance without a role leaves it to the others.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Role {
    /// Takes messages in over HTTP.
    Intake,
    /// Owns partitions and applies what they bring.
    Process,
    /// Delivers what is owed, fetches acknowledgements, and publishes to the canonical topics.
    Forward,
    /// Serves the page and its API.
    Serve,
}

impl Role {
    /// All of them, which an instance has unless told otherwise.
    pub const ALL: [Self; 4] = [Self::Intake, Self::Process, Self::Forward, Self::Serve];
}
