//! Intake over HTTPS, by a client that is not ours: Python's, which checks certificate and name.

use std::path::{Path, PathBuf};
use std::process::Command;

use crate::hub::{Arrival, Folder, Hub, text};
use crate::service::{Service, token_of, write_tokens};

/// Sends a file as a body; prints the answer's code, or why there was none.
const CLIENT: &str = r#"
import http.client, ssl, sys, urllib.request
url, token, body, authority = sys.argv[1:]
request = urllib.request.Request(url, data=open(body, "rb").read(), method="POST", headers={
    "Authorization": f"Bearer {token}", "Content-Type": "application/x-ndjson",
    "Idempotency-Key": "one"})
trust = ssl.create_default_context(cafile=authority) if url.startswith("https") else None
try:
    print(urllib.request.urlopen(request, timeout=20, context=trust).status)
except (OSError, http.client.HTTPException) as error:
    print(repr(error))
"#;

fn openssl(folder: &Path, arguments: &[&str]) {
    let output = Command::new("openssl").args(arguments).current_dir(folder).output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
}

/// A certificate that nobody but itself vouches for.
fn certificate(folder: &Path, name: &str) -> (PathBuf, PathBuf) {
    let [key, pem] = ["key", "pem"].map(|ending| format!("{name}.{ending}"));
    let subject = ["-subj", "/CN=test", "-addext", "subjectAltName=IP:127.0.0.1"];
    let made = ["req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2"];
    openssl(folder, &[&made[..], &subject, &["-keyout", &key, "-out", &pem]].concat());
    (folder.join(pem), folder.join(key))
}

fn post(url: &str, file: &Arrival, authority: &Path) -> String {
    let url = format!("{url}/v1/intake/{}?feed={}", file.connector, file.feed);
    let arguments = [url.as_str(), &token_of(&file.connector), text(&file.path), text(authority)];
    let output = Command::new("python3").args(["-c", CLIENT]).args(arguments).output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap().trim().to_owned()
}

#[tokio::test]
async fn messages_come_in_over_https_and_not_beside_it() {
    let folder = Folder::new("https");
    let (own, key) = certificate(&folder.path(""), "own");
    let (other, other_key) = certificate(&folder.path(""), "other");
    let file = Arrival {
        path: folder.path("orders.ndjson"),
        connector: "meituan".to_owned(),
        feed: "orders".to_owned(),
        received_at_ms: 0,
    };
    std::fs::write(&file.path, "{}\n").unwrap();
    let tokens = folder.path("tokens.toml");
    write_tokens(&tokens, ["meituan".to_owned()].into_iter());
    let hub = Hub::new(folder.path("hub"));
    let files = ["--tls-certificate", text(&own), "--tls-key", text(&key)];
    let service = Service::start(&hub, &[&["--tokens", text(&tokens)][..], &files].concat());
    let url = service.url().to_owned();
    assert!(url.starts_with("https://"), "{url}");
    assert_eq!(post(&url, &file, &own), "200");
    let refused = post(&url, &file, &other);
    assert!(refused.contains("CERTIFICATE_VERIFY_FAILED"), "{refused}");
    let plain = post(&url.replace("https", "http"), &file, &own);
    assert_ne!(plain, "200", "plain http is no way in");
    assert!(service.stop("TERM").success());

    for (certificate, key, expected) in [
        (&own, &other_key, "the key of the first"),
        (&key, &own, "expected a chain of certificates"),
        (&folder.path("none.pem"), &key, "none.pem: No such file"),
    ] {
        let files = ["--tls-certificate", text(certificate), "--tls-key", text(key)];
        let ended = hub.run(&[&["run", "--listen", "127.0.0.1:0"][..], &files].concat());
        assert!(!ended.is_success && ended.err.contains(expected), "{expected}: {}", ended.err);
    }
}
