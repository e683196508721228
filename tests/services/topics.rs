//! Topics that a test leaves behind on the Kafka of `scripts/services`, and their end.

use std::time::Duration;

use rdkafka::ClientConfig;
use rdkafka::admin::{AdminClient, AdminOptions};
use rdkafka::client::DefaultClientContext;
use rdkafka::consumer::{BaseConsumer, Consumer};

use super::facts::fact;

/// A client of another program than the hub, for anything.
pub(crate) fn client() -> ClientConfig {
    let servers = fact("ZHIBAO_KAFKA");
    let mut config = ClientConfig::new();
    config.set("bootstrap.servers", servers.strip_prefix("kafka://").unwrap());
    config
}

/// Topics whose names begin so. Blocks.
fn topics_of(client: &BaseConsumer, prefix: &str) -> Vec<String> {
    let metadata = client.fetch_metadata(None, Duration::from_secs(30)).unwrap();
    let names = metadata.topics().iter().map(|found| found.name().to_owned());
    names.filter(|name| name.starts_with(prefix)).collect()
}

/// Deletes every topic whose name begins so, and waits until they are gone. Blocks.
pub(crate) fn delete_topics(prefix: &str) {
    let prefix = prefix.to_owned();
    // In a thread of its own: the caller's may belong to a runtime.
    let deleting = std::thread::spawn(move || {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        let admin: AdminClient<DefaultClientContext> = client().create().unwrap();
        let consumer: BaseConsumer = client().create().unwrap();
        let topics = topics_of(&consumer, &prefix);
        if topics.is_empty() {
            return;
        }
        let names: Vec<&str> = topics.iter().map(String::as_str).collect();
        let deleted = runtime.block_on(admin.delete_topics(&names, &AdminOptions::new())).unwrap();
        for topic in deleted {
            topic.unwrap();
        }
        while !topics_of(&consumer, &prefix).is_empty() {
            std::thread::yield_now();
        }
    });
    deleting.join().unwrap();
}
