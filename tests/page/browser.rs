//! Headless Chromium through its driver, by plain WebDriver over HTTP.

use std::io::{BufRead, BufReader};
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use serde_json::{Value, json};

const MISSING: &str = "expected chromedriver and chromium, found none; run: scripts/setup test";

/// How long a condition of the page may take.
const WAIT: Duration = Duration::from_secs(60);

/// A script that ends when the condition holds. It watches for changes of the page, not for time to
/// pass; the condition is part of the script, since the page's own policy forbids `eval`.
fn until(condition: &str) -> String {
    format!(
        "const done = arguments[arguments.length - 1];
        const holds = () => {condition};
        if (holds()) {{ done(true); return; }}
        const watch = new MutationObserver(() => {{
            if (holds()) {{ watch.disconnect(); done(true); }}
        }});
        watch.observe(document.documentElement,
            {{ attributes: true, childList: true, characterData: true, subtree: true }});"
    )
}

static NEXT: AtomicU32 = AtomicU32::new(0);

/// One window of one browser with an empty profile.
pub(crate) struct Browser {
    driver: Child,
    profile: PathBuf,
    client: reqwest::Client,
    session: String,
}

impl Browser {
    /// Starts driver and browser with a window of this width and height in pixels.
    pub(crate) async fn start(size: (u32, u32)) -> Self {
        let mut driver = Command::new("chromedriver")
            .arg("--port=0")
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .expect(MISSING);
        let lines = BufReader::new(driver.stdout.take().unwrap()).lines();
        let port = lines
            .map_while(Result::ok)
            .find_map(|line| {
                let (_, port) = line.split_once("started successfully on port ")?;
                Some(port.trim_end_matches('.').to_owned())
            })
            .expect("the driver's port");
        let number = NEXT.fetch_add(1, Ordering::Relaxed);
        let profile =
            std::env::temp_dir().join(format!("zhibao-browser-{}-{number}", std::process::id()));
        let arguments = [
            "--headless=new",
            "--no-sandbox",
            "--disable-gpu",
            "--disable-quic",
            "--disable-dev-shm-usage",
            "--no-first-run",
            "--disable-background-networking",
            "--disable-component-update",
            "--disable-sync",
            "--hide-scrollbars",
            "--lang=zh-CN",
            &format!("--window-size={},{}", size.0, size.1),
            &format!("--user-data-dir={}", profile.display()),
        ];
        let wanted = json!({ "capabilities": { "alwaysMatch": {
            "browserName": "chrome",
            "goog:chromeOptions": { "args": arguments },
            "timeouts": { "script": WAIT.as_millis() },
        }}});
        let client = reqwest::Client::new();
        let base = format!("http://127.0.0.1:{port}/session");
        let answer = post(&client, &base, &wanted).await;
        let id = answer["sessionId"].as_str().expect(MISSING);
        Self { driver, profile, session: format!("{base}/{id}"), client }
    }

    /// Opens an address.
    pub(crate) async fn open(&self, url: &str) {
        self.send("url", &json!({ "url": url })).await;
    }

    /// Waits until a JavaScript condition holds.
    pub(crate) async fn wait(&self, condition: &str) {
        let script = json!({ "script": until(condition), "args": [] });
        let held = self.send("execute/async", &script).await;
        assert_eq!(held, json!(true), "waited for: {condition}");
    }

    /// The value that a script returns.
    pub(crate) async fn run(&self, script: &str, arguments: &[&str]) -> Value {
        self.send("execute/sync", &json!({ "script": script, "args": arguments })).await
    }

    /// The text of the first element of a selector.
    pub(crate) async fn text(&self, selector: &str) -> String {
        let script = "return document.querySelector(arguments[0])?.textContent ?? null";
        let found = self.run(script, &[selector]).await;
        found.as_str().unwrap_or_else(|| panic!("expected an element {selector}")).to_owned()
    }

    /// Clicks the first element of a selector.
    pub(crate) async fn click(&self, selector: &str) {
        self.run("document.querySelector(arguments[0]).click()", &[selector]).await;
    }

    /// Takes the network away from the page.
    pub(crate) async fn offline(&self) {
        let off = json!({ "offline": true, "latency": 0, "throughput": -1 });
        self.send("chromium/network_conditions", &json!({ "network_conditions": off })).await;
    }

    /// A picture of the whole page as PNG.
    pub(crate) async fn picture(&self) -> Vec<u8> {
        let parameters = json!({ "format": "png", "captureBeyondViewport": true });
        let command = json!({ "cmd": "Page.captureScreenshot", "params": parameters });
        let answer = self.send("goog/cdp/execute", &command).await;
        base64(answer["data"].as_str().unwrap())
    }

    /// Ends the browser.
    pub(crate) async fn stop(self) {
        self.client.delete(&self.session).send().await.unwrap();
    }

    async fn send(&self, command: &str, body: &Value) -> Value {
        post(&self.client, &format!("{}/{command}", self.session), body).await
    }
}

impl Drop for Browser {
    fn drop(&mut self) {
        // A test that failed before it stopped the browser: the driver takes it along.
        self.driver.kill().unwrap_or_default();
        self.driver.wait().map(|_| ()).unwrap_or_default();
        std::fs::remove_dir_all(&self.profile).unwrap_or_default();
    }
}

async fn post(client: &reqwest::Client, url: &str, body: &Value) -> Value {
    let answer = client.post(url).json(body).send().await.unwrap();
    let mut answer: Value = answer.json().await.unwrap();
    let value = answer["value"].take();
    assert!(value.get("error").is_none(), "{url}: {value}");
    value
}

/// Base64 as WebDriver sends pictures.
fn base64(text: &str) -> Vec<u8> {
    let (mut bytes, mut held, mut bits) = (Vec::with_capacity(text.len() / 4 * 3), 0_u32, 0);
    for sign in text.bytes() {
        let six = match sign {
            b'A'..=b'Z' => sign - b'A',
            b'a'..=b'z' => sign - b'a' + 26,
            b'0'..=b'9' => sign - b'0' + 52,
            b'+' => 62,
            b'/' => 63,
            _ => continue,
        };
        held = (held << 6 | u32::from(six)) & 0x00ff_ffff;
        bits += 6;
        if bits >= 8 {
            bits -= 8;
            bytes.push(u8::try_from((held >> bits) & 0xff).unwrap());
        }
    }
    bytes
}
