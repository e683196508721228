//! `zhibao kafka acl`: what to grant to whom on the brokers, as commands to read and run.

use std::process::ExitCode;

use super::CliError;
use super::options::{Acl, Folders};
use crate::apply::engine::topic_of;
use crate::domain::ids::ConnectorId;
use crate::hub::LogChoice;
use crate::log::kafka::acl::{Grantee, commands};
use crate::normalize::Connectors;

pub(super) fn print(folders: &Folders, asked: &Acl) -> Result<ExitCode, CliError> {
    let (brokers, topic_prefix) = match folders.settings()?.log {
        LogChoice::Kafka(kafka) => (kafka.brokers().to_owned(), kafka.topic_prefix),
        LogChoice::Embedded => (String::new(), String::new()),
    };
    let brokers = asked.bootstrap.clone().unwrap_or(brokers);
    if brokers.is_empty() {
        return Err(CliError::Argument {
            what: "--bootstrap",
            expected: "host:port of a broker, or --log kafka://…",
            found: "none".to_owned(),
        });
    }
    let topic = asked.grantee.connector.as_deref().map(|name| topic(folders, name)).transpose()?;
    let grantee = match &topic {
        Some(topic) => Grantee::Sender { topic },
        None => Grantee::Hub,
    };
    print!("{}", commands(&brokers, &topic_prefix, &asked.principal, grantee)?);
    Ok(ExitCode::SUCCESS)
}

/// The topic of a connector that has a manifest: a misspelt name would grant a topic that nobody
/// reads.
fn topic(folders: &Folders, name: &str) -> Result<String, CliError> {
    let connectors = Connectors::load(&folders.connectors)?;
    let found = ConnectorId::new(name).ok();
    let found = found.filter(|name| connectors.get(name).is_some());
    let found = found.ok_or_else(|| CliError::Argument {
        what: "--connector",
        expected: "a connector of the manifests",
        found: name.to_owned(),
    })?;
    Ok(topic_of(&found))
}
