//! The hub's HTTP front: the page with its API, intake, and the schema registry, on one address.

use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::middleware::map_response;
use axum::response::Response;
use axum_server::Handle;
use axum_server::tls_rustls::from_tcp_rustls;
use tokio::net::TcpListener;
use tokio::sync::watch;
use tokio::task::JoinHandle;

use super::ingest::framing_of;
use super::outcomes::BookOutcomes;
use super::tls::TlsFiles;
use super::tokens::Tokens;
use super::{Hub, HubError, Role};
use crate::intake::http::{
    AppendClock, HttpConnector, HttpFeed, HttpIntake, HttpLimits, Token, router,
};
use crate::registry::{self, Registry, Writer};
use crate::serve::{self, Books};

/// How long requests under way may take to be answered once the front is to stop. A body that is
/// cut off then goes on under its key.
const ANSWERED_WITHIN: Duration = Duration::from_secs(5);

/// Who may send over HTTP, and who says when it arrived.
#[derive(Clone, Debug, Default)]
pub struct HttpAccess {
    /// Bearer tokens of principals; a connector without one cannot send over HTTP.
    pub tokens: Tokens,
    /// Whose clock gives the append time.
    pub clock: AppendClock,
    /// What the front shows under HTTPS; plain HTTP without it.
    pub tls: Option<TlsFiles>,
}

/// A running HTTP front.
pub struct Front {
    /// Where it listens.
    pub address: std::net::SocketAddr,
    is_tls: bool,
    stop: watch::Sender<bool>,
    serving: JoinHandle<std::io::Result<()>>,
}

impl Front {
    /// Where it listens, as a client names it.
    #[must_use]
    pub fn url(&self) -> String {
        let scheme = if self.is_tls { "https" } else { "http" };
        format!("{scheme}://{}", self.address)
    }

    /// Stops after requests under way are answered, or have had five seconds for it.
    ///
    /// # Errors
    /// [`HubError`] where the server failed.
    pub async fn stop(mut self) -> Result<(), HubError> {
        // A server that has ended already has no receiver any more, and needs no word.
        self.stop.send_replace(true);
        let Ok(ended) = tokio::time::timeout(ANSWERED_WITHIN, &mut self.serving).await else {
            tracing::warn!("requests were cut off when the front stopped");
            self.serving.abort();
            return Ok(());
        };
        ended?.map_err(|source| HubError::Listen { address: self.address.to_string(), source })
    }
}

impl Hub {
    /// Serves page, API and intake until it is stopped.
    ///
    /// # Errors
    /// [`HubError::Listen`] where the address cannot be had; [`HubError::NotLoopback`] where
    /// tokens would cross a network in the clear; [`HubError::Tls`] where the files are none.
    pub async fn serve(&self, address: &str, access: &HttpAccess) -> Result<Front, HubError> {
        self.front(address, access, &Role::ALL).await
    }

    /// As [`Hub::serve`], of some roles only what they have to be asked.
    pub(super) async fn front(
        &self,
        address: &str,
        access: &HttpAccess,
        roles: &[Role],
    ) -> Result<Front, HubError> {
        let failed = |source| HubError::Listen { address: address.to_owned(), source };
        let listener = TcpListener::bind(address).await.map_err(failed)?;
        let bound = listener.local_addr().map_err(failed)?;
        let is_open = access.tls.is_none() && !access.tokens.is_empty();
        if is_open && !bound.ip().is_loopback() {
            return Err(HubError::NotLoopback { address: address.to_owned() });
        }
        let (stop, mut stopped) = watch::channel(false);
        let routes = self.routes(access, roles);
        let until = async move {
            // A sender that is gone stops the server as well.
            drop(stopped.wait_for(|stop| *stop).await);
        };
        let serving = match &access.tls {
            None => tokio::spawn(async move {
                axum::serve(listener, routes).with_graceful_shutdown(until).await
            }),
            Some(files) => {
                let config = files.load().await?;
                let listener = listener.into_std().map_err(failed)?;
                let handle = Handle::new();
                let server = from_tcp_rustls(listener, config).map_err(failed)?;
                let server = server.handle(handle.clone());
                tokio::spawn(async move {
                    tokio::spawn(async move {
                        until.await;
                        handle.graceful_shutdown(Some(ANSWERED_WITHIN));
                    });
                    server.serve(routes.into_make_service()).await
                })
            }
        };
        Ok(Front { address: bound, is_tls: access.tls.is_some(), stop, serving })
    }

    fn routes(&self, access: &HttpAccess, roles: &[Role]) -> Router {
        let engine = &self.engine;
        let books = Books {
            db: engine.db.clone(),
            policy: Arc::clone(&engine.policy),
            connectors: Arc::clone(&engine.connectors),
        };
        let with_token = engine.connectors.iter().filter_map(|manifest| {
            let token = access.tokens.of(manifest.name())?;
            let feeds = manifest.feeds().iter().map(|feed| HttpFeed {
                feed: feed.id().clone(),
                format: framing_of(feed),
                record_bytes_max: feed.bytes_max(),
            });
            let connector = manifest.name().clone();
            let (token, lost) = (Token::new(token), self.lost.of(&connector).cloned());
            Some(HttpConnector { connector, token, feeds: feeds.collect(), lost })
        });
        let intake = HttpIntake {
            log: Arc::clone(&engine.log),
            route: self.route(),
            outcomes: Arc::new(BookOutcomes(engine.db.clone())),
            connectors: with_token.collect(),
            limits: HttpLimits::default(),
            clock: access.clock,
        };
        let appended = self.appended.clone();
        // Whatever the answer, records may have come in: the process role looks.
        let intake = router(intake).layer(map_response(move |response: Response| {
            appended.send_replace(());
            std::future::ready(response)
        }));
        let mut routes = serve::health_router(books.clone());
        if roles.contains(&Role::Serve) {
            routes = routes.merge(serve::router(books));
        }
        if roles.contains(&Role::Intake) {
            routes = routes.merge(intake);
            if self.serves_registry {
                routes = routes.merge(registry::router(self.registry(access)));
            }
        }
        routes
    }

    /// Who may send messages may also add the schemas that they are written with.
    fn registry(&self, access: &HttpAccess) -> Registry {
        let writers = self.engine.connectors.iter().filter_map(|manifest| {
            let token = access.tokens.of(manifest.name())?;
            Some(Writer::new(manifest.name().clone(), token))
        });
        Registry {
            db: self.engine.db.clone(),
            writers: writers.collect(),
            topic_prefix: self.topic_prefix.clone(),
        }
    }
}
