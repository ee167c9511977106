//! A card: thinking first, and its quiz.

use super::stage::Stage;
use serde_json::json;

const OWN: &str = ".cb-think textarea";

async fn the_answer_waits(stage: &Stage) {
    let shown = "!!document.querySelector('.cb-answer-short').offsetParent";
    stage.until(&format!("document.querySelector('.cb-card').dataset.program === 'loaded' && !({shown})")).await;
    stage.fill(OWN, "The API server stores it, 然后调度器选节点。").await;
    stage.click(".cb-think button.cb-reveal").await;
    stage.until(shown).await;
    assert_eq!(stage.value("document.querySelector('.cb-think button.cb-reveal').getAttribute('aria-expanded')").await, json!("true"));
}

/// What the question shows after an answer: whether it is right, and why.
async fn answered(stage: &Stage, question: &str, state: &str, why: &str) {
    let item = format!(".cb-quiz-item[data-question='{question}']");
    stage.click(&format!("{item} button.cb-answer")).await;
    stage.until(&format!("document.querySelector(\"{item}\").dataset.state === '{state}'")).await;
    stage.until(&format!("document.querySelector(\"{item} .cb-result\").innerText.includes({})", json!(why))).await;
}

async fn the_quiz_says_why(stage: &Stage) {
    let choice = |question: &str, number: usize| format!(".cb-quiz-item[data-question='{question}'] .cb-choice input[value='{number}']");
    stage.click(&choice("writes-etcd", 1)).await;
    answered(stage, "writes-etcd", "wrong", "never open a connection to etcd").await;
    // The button takes the answer back.
    stage.click(".cb-quiz-item[data-question='writes-etcd'] button.cb-answer").await;
    stage.until("!document.querySelector(\".cb-quiz-item[data-question='writes-etcd']\").dataset.state").await;
    stage.click(&choice("writes-etcd", 0)).await;
    answered(stage, "writes-etcd", "right", "the only client of etcd").await;
    for number in 0..3 {
        stage.click(&choice("skips-scheduler", number)).await;
    }
    answered(stage, "skips-scheduler", "right", "its node already").await;
    stage.fill(".cb-quiz-item[data-question='subresource'] input.cb-input", "Node").await;
    answered(stage, "subresource", "wrong", "Nodes are what it chooses among").await;
    let word = ".cb-quiz-item[data-question='etcd-clients'] input.cb-input";
    stage.fill(word, "many").await;
    stage.until("document.querySelector(\".cb-quiz-item[data-question='etcd-clients'] button.cb-answer\").disabled").await;
    stage.fill(word, "1").await;
    answered(stage, "etcd-clients", "right", "").await;
}

/// Both languages show what was typed and answered, also after a reload.
async fn nothing_is_lost(stage: &Stage) {
    for page in ["en/pods/creation.html", "zh-CN/pods/creation.html"] {
        stage.go(page).await;
        stage.until("document.querySelector('.cb-card').dataset.program === 'loaded'").await;
        assert_eq!(stage.text(&format!("document.querySelector('{OWN}').value")).await, "The API server stores it, 然后调度器选节点。");
        let states = "[...document.querySelectorAll('.cb-quiz-item')].map(item => item.dataset.state ?? 'open')";
        assert_eq!(stage.value(states).await, json!(["right", "open", "right", "wrong", "right"]), "{page}");
    }
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "`cargo xtask test` builds the site and sees to Chromium"]
async fn a_card_is_answered() {
    let stage = Stage::new().await;
    stage.go("en/pods/creation.html").await;
    the_answer_waits(&stage).await;
    the_quiz_says_why(&stage).await;
    nothing_is_lost(&stage).await;
    stage.finish().await;
}
