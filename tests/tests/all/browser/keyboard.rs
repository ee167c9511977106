//! A lab without a mouse: everything is reached with Tab, and done with keys.

use super::stage::{Stage, keys};

/// Presses Tab until the focus is on an element of this selector.
async fn tab_to(stage: &Stage, selector: &str) {
    for _ in 0..150 {
        if stage.value(&format!("document.activeElement.matches({selector:?})")).await == true {
            let outlined = "(s => s.outlineStyle !== 'none' || s.boxShadow !== 'none')(getComputedStyle(document.activeElement))";
            assert_eq!(stage.value(outlined).await, true, "the focus on {selector} can be seen");
            return;
        }
        stage.press(keys::TAB).await;
    }
    panic!("Tab never comes to {selector}");
}

/// Takes the second `e` out of `imagee`, as one does it with a keyboard.
async fn mend(stage: &Stage) {
    let text = stage.text("document.activeElement.value").await;
    let (line, found) = text.lines().enumerate().find(|(_, line)| line.contains("imagee")).expect("the lab begins with a mistake");
    let column = found.find("imagee").expect("it was found") + "imagee".len();
    stage.press(keys::TOP).await;
    stage.press(&keys::DOWN.repeat(line)).await;
    stage.press(&keys::RIGHT.repeat(column)).await;
    stage.press(keys::BACKSPACE).await;
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "`cargo xtask test` builds the site and sees to Chromium"]
async fn a_lab_is_done_with_the_keyboard() {
    let stage = Stage::new().await;
    stage.go("en/pods/creation.html").await;
    stage.until("document.querySelector('.cb-card').dataset.program === 'loaded'").await;
    tab_to(&stage, ".cb-think textarea").await;
    stage.press("The API server stores it.").await;
    tab_to(&stage, ".cb-think button.cb-reveal").await;
    stage.press(keys::SPACE).await;
    stage.until("!!document.querySelector('.cb-answer-short').offsetParent").await;
    tab_to(&stage, ".cb-start").await;
    stage.press(keys::ENTER).await;
    stage.until("document.querySelectorAll('.cb-node[data-node]').length === 3").await;
    tab_to(&stage, ".cb-tabs button[data-file='pod.yaml']").await;
    stage.press(keys::SPACE).await;
    stage.until("document.querySelector('.cb-editor').dataset.file === 'pod.yaml'").await;
    tab_to(&stage, ".cb-editor textarea").await;
    stage.until("document.querySelector('.cb-problem')?.dataset.line === '10'").await;
    mend(&stage).await;
    stage.until("!document.querySelector('.cb-problem')").await;
    // A mistake while typing is shown at once, and goes with it.
    stage.press(keys::BOTTOM).await;
    stage.press("oops").await;
    stage.until("!!document.querySelector('.cb-problem[data-line]')").await;
    stage.press(&keys::BACKSPACE.repeat(4)).await;
    stage.until("!document.querySelector('.cb-problem')").await;
    // In the editor Tab indents; after Escape it leaves.
    stage.press(keys::ESCAPE).await;
    stage.press(keys::TAB).await;
    stage.until("!document.activeElement.matches('.cb-editor textarea')").await;
    tab_to(&stage, ".cb-terminal input").await;
    stage.press(&format!("kubectl apply -f pod.yaml{}", keys::ENTER)).await;
    stage.until("document.querySelector(\".cb-pod[data-pod='web']\")?.dataset.status === 'Running'").await;
    stage.until_passed("run").await;
    stage.finish().await;
}
