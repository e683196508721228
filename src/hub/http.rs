//! The hub's HTTP front: the page with its API, and intake, on one address.

use std::collections::BTreeMap;
use std::sync::Arc;

use axum::Router;
use tokio::net::TcpListener;
use tokio::sync::watch;
use tokio::task::JoinHandle;

use super::ingest::framing_of;
use super::outcomes::BookOutcomes;
use super::{Hub, HubError};
use crate::intake::http::{HttpConnector, HttpFeed, HttpIntake, HttpLimits, Token, router};
use crate::serve::{self, Books};

/// Bearer tokens of principals, by connector; a connector without one cannot send over HTTP.
pub type Tokens = BTreeMap<String, String>;

/// A running HTTP front.
pub struct Front {
    /// Where it listens.
    pub address: std::net::SocketAddr,
    stop: watch::Sender<bool>,
    serving: JoinHandle<std::io::Result<()>>,
}

impl Front {
    /// Stops after requests under way are answered.
    ///
    /// # Errors
    /// [`HubError`] where the server failed.
    pub async fn stop(self) -> Result<(), HubError> {
        // A server that has ended already has no receiver any more, and needs no word.
        self.stop.send_replace(true);
        self.serving
            .await?
            .map_err(|source| HubError::Listen { address: self.address.to_string(), source })
    }
}

impl Hub {
    /// Serves page, API and intake until it is stopped.
    ///
    /// # Errors
    /// [`HubError::Listen`] where the address cannot be had.
    pub async fn serve(&self, address: &str, tokens: &Tokens) -> Result<Front, HubError> {
        let failed = |source| HubError::Listen { address: address.to_owned(), source };
        let listener = TcpListener::bind(address).await.map_err(failed)?;
        let bound = listener.local_addr().map_err(failed)?;
        let (stop, mut stopped) = watch::channel(false);
        let routes = self.routes(tokens);
        let serving = tokio::spawn(async move {
            let until = async move {
                // A sender that is gone stops the server as well.
                drop(stopped.wait_for(|stop| *stop).await);
            };
            axum::serve(listener, routes).with_graceful_shutdown(until).await
        });
        Ok(Front { address: bound, stop, serving })
    }

    fn routes(&self, tokens: &Tokens) -> Router {
        let engine = &self.engine;
        let books = Books {
            db: engine.db.clone(),
            policy: Arc::clone(&engine.policy),
            connectors: Arc::clone(&engine.connectors),
        };
        let with_token = engine.connectors.iter().filter_map(|manifest| {
            let token = tokens.get(manifest.name().as_str())?;
            let feeds = manifest.feeds().iter().map(|feed| HttpFeed {
                feed: feed.id().clone(),
                format: framing_of(feed),
                record_bytes_max: feed.bytes_max(),
            });
            let connector = manifest.name().clone();
            Some(HttpConnector { connector, token: Token::new(token), feeds: feeds.collect() })
        });
        let intake = HttpIntake {
            log: Arc::clone(&engine.log),
            route: self.route(),
            outcomes: Arc::new(BookOutcomes(engine.db.clone())),
            connectors: with_token.collect(),
            limits: HttpLimits::default(),
        };
        serve::router(books).merge(router(intake))
    }
}
