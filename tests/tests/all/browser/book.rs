//! The book around the cards: its front door, its languages, its search, its themes, and narrow windows.

use super::stage::{Stage, keys};
use serde_json::json;

const PAGES: &[&str] =
    &["en/introduction.html", "en/pods/creation.html", "zh-CN/controllers/deployment-rollout.html", "zh-CN/how-to-use.html"];

/// The least contrast of the texts that can be seen, as WCAG counts it.
const CONTRAST: &str = "(() => { \
    const numbers = c => c.match(/[\\d.]+/g).map(Number); \
    const light = c => { const [r, g, b] = numbers(c).map(v => (v /= 255) <= .03928 ? v / 12.92 : ((v + .055) / 1.055) ** 2.4); \
        return .2126 * r + .7152 * g + .0722 * b }; \
    const back = e => { for (; e; e = e.parentElement) { const c = getComputedStyle(e).backgroundColor; if (/^rgb\\(/.test(c)) return c } \
        return 'rgb(255, 255, 255)' }; \
    const seen = [...document.querySelectorAll('main p, main li, main h1, main h2, main h3, main h4, main a, main summary, main button')] \
        .filter(e => e.offsetParent && e.innerText.trim() && !e.disabled && /^rgb\\(/.test(getComputedStyle(e).color)); \
    const ratios = seen.map(e => { const [a, b] = [light(getComputedStyle(e).color), light(back(e))]; \
        return [(Math.max(a, b) + .05) / (Math.min(a, b) + .05), e.outerHTML.slice(0, 200)] }); \
    return ratios.length < 10 ? [0, 'hardly anything is seen'] : ratios.sort((a, b) => a[0] - b[0])[0] })()";

async fn it_opens(stage: &Stage) {
    stage.go("").await;
    stage.until("/\\/(en|zh-CN)\\/index\\.html$/.test(location.pathname)").await;
    stage.go("en/introduction.html").await;
    let title = stage.text("document.title").await;
    assert!(title.contains("Clusterbook"), "{title}");
    let programs = "performance.getEntriesByType('resource').filter(e => e.name.includes('.wasm')).length";
    assert_eq!(stage.value(programs).await, json!(0), "a page without a card loads no program");
}

async fn the_languages_lead_to_each_other(stage: &Stage) {
    stage.go("en/pods/creation.html#older-notes").await;
    stage.click(".cb-language").await;
    stage.until("location.pathname.endsWith('/zh-CN/pods/creation.html') && document.documentElement.lang === 'zh-CN'").await;
    assert_eq!(stage.value("location.hash").await, json!("#older-notes"), "the place in the page is kept");
    stage.until("/[\\u4e00-\\u9fff]/.test(document.querySelector('main h1').innerText)").await;
    stage.go("").await;
    stage.until("location.pathname.endsWith('/zh-CN/index.html')").await;
    stage.go("zh-CN/pods/creation.html").await;
    stage.click(".cb-language").await;
    stage.until("location.pathname.endsWith('/en/pods/creation.html') && document.documentElement.lang === 'en'").await;
}

/// Searches with the keyboard, and follows the first result to a page that holds the word.
async fn search_finds(stage: &Stage, page: &str, query: &str, lang: &str) {
    stage.go(page).await;
    stage.until("!!document.getElementById('cb-search-open')").await;
    stage.press("/").await;
    stage.until("document.querySelector('dialog.cb-search').open").await;
    stage.press(query).await;
    stage.until("document.querySelectorAll('.cb-search-results li').length > 0").await;
    let marked = format!("document.querySelector('.cb-search-results mark')?.innerText.toLowerCase() === '{}'", query.to_lowercase());
    stage.until(&marked).await;
    let old = stage.text("location.href").await;
    stage.press(keys::ENTER).await;
    stage.until(&format!("location.href !== '{old}' && document.documentElement.lang === '{lang}'")).await;
    stage.until(&format!("document.querySelector('main')?.textContent.toLowerCase().includes('{}')", query.to_lowercase())).await;
}

async fn search_says_when_there_is_nothing(stage: &Stage) {
    stage.go("zh-CN/introduction.html").await;
    stage.click("#cb-search-open").await;
    stage.press("火星人").await;
    stage.until("document.querySelector('.cb-search-status').innerText === '没有找到。'").await;
    stage.press(keys::ESCAPE).await;
    stage.until("!document.querySelector('dialog.cb-search').open").await;
}

async fn narrow_windows_do_not_scroll_sideways(stage: &Stage) {
    stage.client.set_window_size(360, 740).await.expect("the window takes the size");
    for page in PAGES {
        stage.go(page).await;
        // A headless window may refuse to be that narrow; a frame of the width does not.
        let frame = "document.body.innerHTML = '<iframe style=\"width:360px;height:740px;border:0\"></iframe>'; \
                     window.cbReady = false; let f = document.querySelector('iframe'); f.onload = () => { window.cbReady = true }; f.src = location.href";
        stage.run(frame, Vec::new()).await;
        let inner = "document.querySelector('iframe').contentDocument";
        stage
            .until(&format!("window.cbReady && [...{inner}.querySelectorAll('.cb-card')].every(c => c.dataset.program === 'loaded')"))
            .await;
        let wide = stage.value(&format!("{inner}.documentElement.scrollWidth - {inner}.documentElement.clientWidth")).await;
        assert_eq!(wide, json!(0), "{page} is wider than a window of 360 pixels");
    }
    stage.client.set_window_size(1280, 1000).await.expect("the window takes the size");
}

/// Every theme has enough contrast (4.5 to 1, WCAG AA).
async fn the_themes_read_well(stage: &Stage) {
    for theme in ["light", "navy", "coal", "ayu", "rust"] {
        stage.run("localStorage.setItem('mdbook-theme', arguments[0])", vec![json!(theme)]).await;
        stage.go("en/pods/creation.html").await;
        stage.until(&format!("document.documentElement.classList.contains('{theme}')")).await;
        stage.until("document.querySelector('.cb-card').dataset.program === 'loaded'").await;
        let worst = stage.value(CONTRAST).await;
        assert!(worst[0].as_f64().is_some_and(|ratio| ratio >= 4.5), "theme {theme}: {worst}");
    }
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "`cargo xtask test` builds the site and sees to Chromium"]
async fn the_book_is_read() {
    let stage = Stage::new().await;
    it_opens(&stage).await;
    the_languages_lead_to_each_other(&stage).await;
    search_finds(&stage, "en/introduction.html", "Binding", "en").await;
    search_finds(&stage, "zh-CN/introduction.html", "调度器", "zh-CN").await;
    search_says_when_there_is_nothing(&stage).await;
    narrow_windows_do_not_scroll_sideways(&stage).await;
    the_themes_read_well(&stage).await;
    stage.finish().await;
}
