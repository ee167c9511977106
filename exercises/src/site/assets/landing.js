// Goes on to the reader's language: the one chosen last, or else the browser's.
(() => {
    let code = null;
    try { code = localStorage.getItem('clusterbook-language'); } catch { /* storage may be forbidden */ }
    if (code !== 'en' && code !== 'zh-CN') {
        const first = (navigator.languages || [navigator.language]).find(tag => /^(en|zh)\b/i.test(tag)) || 'en';
        code = /^zh/i.test(first) ? 'zh-CN' : 'en';
    }
    location.replace(`${code}/index.html`);
})();
