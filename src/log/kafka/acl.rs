//! The rights that principals need on the brokers, as commands of Kafka's own tool: a platform's to
//! append to its own topic and nothing else, and the hub's.
//!
//! They are printed for an operator to read and run; the hub itself grants nothing.

/// Who is granted rights.
#[derive(Clone, Copy, Debug)]
pub enum Grantee<'a> {
    /// A platform or an agent, by the raw topic of its connector without the prefix.
    Sender {
        /// For example `raw.meituan`.
        topic: &'a str,
    },
    /// The hub itself.
    Hub,
}

/// Why there are no commands.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum AclError {
    /// The principal is none.
    #[error(
        "principal: expected the name that the brokers know somebody by, without User: before it, \
         found {found:?}"
    )]
    Principal {
        /// The text.
        found: String,
    },
}

/// What a sender may do with its topic. Producers that are idempotent need nothing more since
/// brokers of 2.8, which the hub needs anyway. Transactions are not granted: they need an id too.
const OF_SENDER: [&str; 2] = ["Write", "Describe"];

/// What the hub may do with raw and canonical topics: make and grow them, look at their settings,
/// append and read. It joins no group, commits nothing and deletes nothing.
const OF_HUB: [&str; 6] = ["Alter", "Create", "Describe", "DescribeConfigs", "Read", "Write"];

/// One command a line.
///
/// # Errors
/// [`AclError`] where the principal is none.
pub fn commands(
    brokers: &str,
    topic_prefix: &str,
    principal: &str,
    grantee: Grantee<'_>,
) -> Result<String, AclError> {
    let is_plain = principal.chars().all(|found| !found.is_control());
    if principal.is_empty() || principal == "*" || principal.starts_with("User:") || !is_plain {
        return Err(AclError::Principal { found: principal.chars().take(80).collect() });
    }
    let (operations, topics, pattern): (&[&str], Vec<String>, _) = match grantee {
        Grantee::Sender { topic } => {
            (&OF_SENDER, vec![format!("{topic_prefix}{topic}")], "literal")
        }
        Grantee::Hub => {
            let beginnings = ["raw.", "events."].map(|begins| format!("{topic_prefix}{begins}"));
            (&OF_HUB, beginnings.to_vec(), "prefixed")
        }
    };
    let operations: String = operations.iter().map(|it| format!(" --operation {it}")).collect();
    let user = quoted(&format!("User:{principal}"));
    let command = |topic: &String| {
        format!(
            "kafka-acls --bootstrap-server {} --add --allow-principal {user}{operations} \
             --topic {} --resource-pattern-type {pattern}\n",
            quoted(brokers),
            quoted(topic)
        )
    };
    Ok(topics.iter().map(command).collect())
}

/// A word as a shell takes it, whatever stands in it.
fn quoted(word: &str) -> String {
    let is_safe = |found: char| found.is_ascii_alphanumeric() || ".,:_-=/@".contains(found);
    if word.chars().all(is_safe) {
        return word.to_owned();
    }
    format!("'{}'", word.replace('\'', "'\\''"))
}

#[cfg(test)]
mod tests {
    use super::{AclError, Grantee, commands};

    #[test]
    fn a_sender_may_append_to_its_own_topic_and_nothing_else() {
        let sender = Grantee::Sender { topic: "raw.meituan" };
        let expected = "kafka-acls --bootstrap-server b1:9093,b2:9093 --add \
                        --allow-principal User:meituan --operation Write --operation Describe \
                        --topic raw.meituan --resource-pattern-type literal\n";
        assert_eq!(commands("b1:9093,b2:9093", "", "meituan", sender).unwrap(), expected);
        let expected = expected.replace("raw.meituan", "test.raw.meituan");
        assert_eq!(commands("b1:9093,b2:9093", "test.", "meituan", sender).unwrap(), expected);
    }

    #[test]
    fn the_hub_makes_topics_appends_and_reads_and_deletes_nothing() {
        let expected = "kafka-acls --bootstrap-server b:9093 --add --allow-principal User:hub \
                        --operation Alter --operation Create --operation Describe \
                        --operation DescribeConfigs --operation Read --operation Write \
                        --topic raw. \
                        --resource-pattern-type prefixed\n";
        let expected = [expected, &expected.replace("raw.", "events.")].concat();
        assert_eq!(commands("b:9093", "", "hub", Grantee::Hub).unwrap(), expected);
    }

    #[test]
    fn a_name_out_of_a_certificate_is_one_word_of_the_shell() {
        let found = commands("[::1]:9093", "", "CN=it's $(x),O=某", Grantee::Hub).unwrap();
        assert!(found.contains("--allow-principal 'User:CN=it'\\''s $(x),O=某' "), "{found}");
        assert!(found.contains("--bootstrap-server '[::1]:9093' "), "{found}");
    }

    #[test]
    fn everybody_and_nobody_are_no_principals() {
        for principal in ["", "*", "User:meituan", "a\nb"] {
            let found = commands("b:9093", "", principal, Grantee::Hub).unwrap_err();
            assert_eq!(found, AclError::Principal { found: principal.to_owned() });
        }
    }
}
