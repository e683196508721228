//! `zhibao run`: the hub as a service, until Ctrl-C or SIGTERM.

use std::process::ExitCode;

use tokio::signal::unix::{SignalKind, signal};

use super::options::{Folders, RoleArg, Run};
use super::{CliError, progress};
use crate::hub::{Destinations, HttpAccess, Hub, HubError, Role, Service, TlsFiles, Tokens};
use crate::intake::http::AppendClock;

pub(super) async fn run(folders: &Folders, asked: Run) -> Result<ExitCode, CliError> {
    let is_named =
        [&asked.national, &asked.tax, &asked.golden_insurance].iter().any(|it| it.is_some());
    if folders.replay_clock && is_named {
        return Err(CliError::Argument {
            what: "--replay-clock",
            expected: "no counterparty beside it: a replay is told to nobody",
            found: "--national, --tax or --golden-insurance".to_owned(),
        });
    }
    let hub = Hub::open(&folders.limited(asked.limits)?).await?;
    let tokens = match &asked.tokens {
        Some(file) => Tokens::load(file, hub.connectors()).map_err(HubError::from)?,
        None => Tokens::default(),
    };
    let clock = if folders.replay_clock { AppendClock::Sender } else { AppendClock::Log };
    let tls = asked.tls_certificate.zip(asked.tls_key);
    let tls = tls.map(|(certificate, key)| TlsFiles { certificate, key });
    let service = Service {
        listen: asked.listen,
        access: HttpAccess { tokens, clock, tls },
        destinations: Destinations {
            national: asked.national,
            tax: asked.tax,
            golden_insurance: asked.golden_insurance,
        },
        roles: roles(&asked.role),
    };
    let mut interrupt = signal(SignalKind::interrupt()).map_err(CliError::Signals)?;
    let mut terminate = signal(SignalKind::terminate()).map_err(CliError::Signals)?;
    let told = async move {
        tokio::select! {
            _ = interrupt.recv() => {}
            _ = terminate.recv() => {}
        }
    };
    hub.run(&service, told, |url| progress::say(&format!("listening: {url}"))).await?;
    Ok(ExitCode::SUCCESS)
}

fn roles(asked: &[RoleArg]) -> Vec<Role> {
    if asked.is_empty() {
        return Role::ALL.to_vec();
    }
    let role = |asked: &RoleArg| match asked {
        RoleArg::Intake => Role::Intake,
        RoleArg::Process => Role::Process,
        RoleArg::Forward => Role::Forward,
        RoleArg::Serve => Role::Serve,
    };
    asked.iter().map(role).collect()
}
