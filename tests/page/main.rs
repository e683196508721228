//! The page in a real browser: served by the hub's own router from a prepared database, read back
//! from the DOM in both languages, and kept as a picture in target/page.png.
#![expect(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    reason = "a test stops where something is not as prepared"
)]

mod browser;
mod prepared;

use std::path::Path;

use serde_json::{Value, json};
use zhibao::serve;

use crate::browser::Browser;
use crate::prepared::Prepared;

/// Serves the books on a free port of this machine; returns the address.
async fn serve(prepared: &Prepared) -> String {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = format!("http://{}", listener.local_addr().unwrap());
    let router = serve::router(prepared.books());
    tokio::spawn(async move { axum::serve(listener, router).await.unwrap() });
    address
}

/// Resolves when every chart stands still.
async fn wait_for(browser: &Browser, state: &str) {
    browser.wait(&format!("document.body.dataset.state === '{state}'")).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_page_shows_the_figures_of_the_books() {
    let prepared = Prepared::open().await;
    prepared.fill().await;
    let address = serve(&prepared).await;
    let browser = Browser::start((1280, 900)).await;
    browser.open(&address).await;
    wait_for(&browser, "ready").await;

    assert_eq!(browser.text("#closes").await, "全部控制点闭合，账目平衡");
    // 31 days from 100,000 orders, 1,000 more each day: 3,565,000 × 0.07 yuan.
    let meituan = browser.text("#levies tr[data-platform=meituan]").await;
    assert!(meituan.starts_with("美团"), "{meituan}");
    assert!(meituan.contains("即时配送") && meituan.contains("3,565,000"), "{meituan}");
    assert!(meituan.contains("0.070") && meituan.contains("249,550.00"), "{meituan}");
    // 包头市: 31 × 90,001 orders of 0.07 yuan are 195,302.17; 31 × 17,200 − 60 × 465 = 505,300
    // orders of 0.01 yuan are 5,053.00.
    let units = browser.text("#chart-units").await;
    assert!(units.contains("包头市") && units.contains("200,355.17"), "{units}");
    assert!(browser.text("#chart-held").await.contains("未知旗县代码"));
    assert!(browser.text("#chart-cases").await.contains("待遇已核定"));
    let treasury = browser.text("#cash tr[data-account=treasury]").await;
    assert!(treasury.contains("国库存款") && treasury.contains("1,234,567.05"), "{treasury}");
    let tax = browser.text("#standings tr[data-destination=tax]").await;
    assert!(tax.contains("税务"), "{tax}");
    let orders = browser.text("#points tr[data-point='meituan/orders']").await;
    assert!(orders.contains("7,200,000") && orders.contains("闭合"), "{orders}");

    let target = Path::new(env!("CARGO_MANIFEST_DIR")).join("target");
    std::fs::create_dir_all(&target).unwrap();
    std::fs::write(target.join("page.png"), browser.picture().await).unwrap();

    browser.click("#en").await;
    browser.wait("document.documentElement.lang === 'en'").await;
    wait_for(&browser, "ready").await;
    assert_eq!(browser.text("#closes").await, "All control points close, books balance");
    let meituan = browser.text("#levies tr[data-platform=meituan]").await;
    assert!(meituan.starts_with("Meituan") && meituan.contains("249,550.00"), "{meituan}");
    let width = browser.run("return document.documentElement.scrollWidth", &[]).await;
    assert!(width.as_i64().unwrap() <= 1280, "expected no sideways scrolling, found {width} px");
    std::fs::write(target.join("page-en.png"), browser.picture().await).unwrap();
    browser.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_empty_hub_says_so_and_new_figures_come_by_themselves() {
    let prepared = Prepared::open().await;
    let address = serve(&prepared).await;
    let browser = Browser::start((1280, 900)).await;
    browser.open(&address).await;
    wait_for(&browser, "ready").await;
    assert!(browser.text("#chart-orders").await.contains("尚无订单数据"));
    assert_eq!(browser.text("#as-of").await, "等待第一批消息");
    let target = Path::new(env!("CARGO_MANIFEST_DIR")).join("target");
    std::fs::create_dir_all(&target).unwrap();
    std::fs::write(target.join("page-empty.png"), browser.picture().await).unwrap();

    prepared.fill().await;
    browser.wait("document.querySelector('#levies tr[data-platform=meituan]') !== null").await;

    // No network any more: the page says so and keeps what it has.
    browser.offline().await;
    browser.wait("!document.getElementById('trouble').hidden").await;
    assert!(browser.text("#trouble").await.contains("无法连接"));
    assert!(browser.text("#levies").await.contains("249,550.00"));
    browser.stop().await;
}

#[tokio::test]
async fn the_api_answers_with_the_same_figures_once() {
    let prepared = Prepared::open().await;
    prepared.fill().await;
    let address = serve(&prepared).await;
    let client = reqwest::Client::new();
    let url = format!("{address}/v1/overview");
    let first = client.get(&url).send().await.unwrap();
    let tag = first.headers().get("etag").unwrap().clone();
    let overview: Value = first.json().await.unwrap();
    let due = |rows: &Value| -> i64 {
        rows.as_array().unwrap().iter().map(|row| row["amount_fen"].as_i64().unwrap()).sum()
    };
    // Shares of units sum to what is due by platform, to the fen.
    assert_eq!(due(&overview["levies"]), due(&overview["units"]));
    let again = client.get(&url).header("if-none-match", tag).send().await.unwrap();
    assert_eq!(again.status(), 304);
    let url = format!("{address}/v1/status");
    let status: Value = client.get(url).send().await.unwrap().json().await.unwrap();
    assert_eq!(status, overview["status"]);
    assert_eq!(status["closes"], json!(true));
    let url = format!("{address}/assets/page.html");
    assert_eq!(client.get(url).send().await.unwrap().status(), 404);
}
