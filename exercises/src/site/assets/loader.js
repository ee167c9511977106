// Starts the labs on a page that has cards. The card's text is in the page already; if the labs cannot start,
// it stays as it is and a line in each card says why.
const cards = document.querySelectorAll('.cb-card');
const chinese = document.documentElement.lang.startsWith('zh');

function sayWhy(error) {
    const reason = error instanceof Error ? error.message : String(error);
    for (const card of cards) {
        const line = document.createElement('p');
        line.className = 'cb-load-error';
        line.setAttribute('role', 'status');
        line.textContent = chinese ? `实验无法启动：${reason}` : `The lab could not start: ${reason}`;
        card.append(line);
    }
}

if (cards.length > 0) {
    import(new URL('lab.js', import.meta.url).href).then(lab => lab.default()).catch(sayWhy);
}
