// The language link and the search of every page. No page needs this script to be read.
'use strict';

(() => {
    const code = document.documentElement.lang;
    const chinese = code.startsWith('zh');

    function remember(language) {
        try { localStorage.setItem('clusterbook-language', language); } catch { /* storage may be forbidden */ }
    }
    for (const link of document.querySelectorAll('.cb-language')) {
        link.addEventListener('click', () => {
            remember(link.hreflang);
            link.hash = location.hash;
        });
    }

    // ---- search -------------------------------------------------------------------------------------------------------------

    const RESULTS_MAX = 20;
    const EXCERPT = 140;
    const words = chinese ? {
        search: '搜索', label: '搜索本书', close: '关闭', hint: '输入中文或英文；↑↓ 选择，回车打开，Esc 关闭。',
        none: '没有找到。', some: n => `${n} 条结果。`, failed: e => `搜索索引无法加载：${e}`, loading: '正在加载索引…',
    } : {
        search: 'Search', label: 'Search this book', close: 'Close', hint: 'Type English or Chinese; ↑↓ select, Enter opens, Esc closes.',
        none: 'Nothing found.', some: n => (n === 1 ? '1 result.' : `${n} results.`), failed: e => `The search index could not be loaded: ${e}`,
        loading: 'Loading the index …',
    };

    const IDEOGRAPHS = '\\u3040-\\u30ff\\u3400-\\u4dbf\\u4e00-\\u9fff\\uf900-\\ufaff';
    const RUNS = new RegExp(`([${IDEOGRAPHS}]+)|((?:(?![${IDEOGRAPHS}])[\\p{Alphabetic}\\p{N}])+)`, 'gu');

    function singular(word) {
        return word.length > 3 && /[^sui]s$/.test(word) ? word.slice(0, -1) : word;
    }

    // The same as `query_terms` in exercises/src/site/search/tokens.rs; search-vectors.json there holds examples.
    function queryTerms(text) {
        const terms = [];
        for (const [run, ideographs] of text.matchAll(RUNS)) {
            if (!ideographs) {
                terms.push(singular(run.toLowerCase()));
            } else if (run.length === 1) {
                terms.push(run);
            } else {
                for (let i = 0; i + 1 < run.length; i += 1) terms.push(run.slice(i, i + 2));
            }
        }
        return terms;
    }

    // The position of the first term that is not before `wanted`.
    function lowerBound(terms, wanted) {
        let [low, high] = [0, terms.length];
        while (low < high) {
            const middle = (low + high) >> 1;
            if (terms[middle] < wanted) low = middle + 1; else high = middle;
        }
        return low;
    }

    // Section number to score, for sections that hold `wanted` or a term that begins so.
    function sectionsWith(index, wanted) {
        const found = new Map();
        for (let t = lowerBound(index.terms, wanted); t < index.terms.length && index.terms[t].startsWith(wanted); t += 1) {
            const hits = index.hits[t];
            const part = index.terms[t] === wanted ? 1 : 0.5;
            const rarity = Math.log(1 + index.sections.length / (hits.length / 2));
            for (let h = 0; h < hits.length; h += 2) {
                const score = part * rarity * hits[h + 1];
                found.set(hits[h], Math.max(score, found.get(hits[h]) ?? 0));
            }
        }
        return found;
    }

    function ask(index, query) {
        let total = null;
        for (const term of queryTerms(query)) {
            const found = sectionsWith(index, term);
            total = total === null ? found
                : new Map([...total].filter(([s]) => found.has(s)).map(([s, score]) => [s, score + found.get(s)]));
        }
        return [...(total ?? [])].sort((a, b) => b[1] - a[1] || a[0] - b[0]).map(([s]) => index.sections[s]);
    }

    // Where terms occur in `text`, as [start, end]; places that touch or overlap, as the pairs of a Chinese word do, are one.
    function occurrences(text, terms) {
        const lower = text.toLowerCase();
        const found = [];
        // A letter whose small form is longer would shift the places; then the exact spelling counts.
        const within = lower.length === text.length ? lower : text;
        for (const term of terms) {
            for (let at = within.indexOf(term); at >= 0; at = within.indexOf(term, at + 1)) found.push([at, at + term.length]);
        }
        const merged = [];
        for (const [start, end] of found.sort((a, b) => a[0] - b[0])) {
            const last = merged.at(-1);
            if (last && start <= last[1]) last[1] = Math.max(last[1], end); else merged.push([start, end]);
        }
        return merged;
    }

    // Appends `text` to `parent` with every occurrence of a term inside <mark>.
    function mark(parent, text, terms) {
        let done = 0;
        for (const [start, end] of occurrences(text, terms)) {
            const marked = document.createElement('mark');
            marked.textContent = text.slice(start, end);
            parent.append(text.slice(done, start), marked);
            done = end;
        }
        parent.append(text.slice(done));
    }

    function excerpt(text, terms) {
        const lower = text.toLowerCase();
        const places = terms.map(term => lower.indexOf(term)).filter(at => at >= 0);
        const first = places.length > 0 ? Math.min(...places) : 0;
        let start = Math.max(0, first - Math.floor(EXCERPT / 3));
        const space = text.indexOf(' ', start);
        if (start > 0 && space >= 0 && space < Math.min(first, start + 16)) start = space + 1;
        const end = start + EXCERPT;
        return (start > 0 ? '…' : '') + text.slice(start, end) + (end < text.length ? '…' : '');
    }

    let loading = null;
    function load() {
        loading ??= fetch(`${path_to_root}search.json`).then(response => {
            if (!response.ok) throw new Error(`HTTP ${response.status}`);
            return response.json();
        });
        loading.catch(() => { loading = null; });
        return loading;
    }

    const dialog = document.createElement('dialog');
    dialog.className = 'cb-search';
    dialog.setAttribute('aria-label', words.label);
    dialog.innerHTML = `
        <div class="cb-search-bar">
            <input type="search" role="combobox" aria-autocomplete="list" aria-expanded="false" aria-controls="cb-search-results"
                   autocomplete="off" autocapitalize="off" spellcheck="false">
            <button type="button" class="cb-search-close">✕</button>
        </div>
        <p class="cb-search-status" role="status"></p>
        <ul class="cb-search-results" id="cb-search-results" role="listbox"></ul>`;
    const input = dialog.querySelector('input');
    const status = dialog.querySelector('.cb-search-status');
    const list = dialog.querySelector('.cb-search-results');
    const closer = dialog.querySelector('.cb-search-close');
    input.setAttribute('aria-label', words.label);
    input.placeholder = words.label;
    closer.setAttribute('aria-label', words.close);
    list.setAttribute('aria-label', words.label);

    let selected = -1;
    function select(number) {
        const options = list.children;
        if (options.length === 0) return;
        options[selected]?.setAttribute('aria-selected', 'false');
        selected = (number + options.length) % options.length;
        const option = options[selected];
        option.setAttribute('aria-selected', 'true');
        option.scrollIntoView({ block: 'nearest' });
        input.setAttribute('aria-activedescendant', option.id);
    }

    function follow(option) {
        dialog.close();
        location.href = option.dataset.href;
    }

    function show(sections, terms) {
        list.replaceChildren(...sections.slice(0, RESULTS_MAX).map(([page, anchor, path, text], number) => {
            const option = document.createElement('li');
            option.id = `cb-search-${number}`;
            option.setAttribute('role', 'option');
            option.setAttribute('aria-selected', 'false');
            option.dataset.href = `${path_to_root}${page}${anchor ? `#${anchor}` : ''}`;
            const title = document.createElement('span');
            title.className = 'cb-search-path';
            mark(title, path.join(' › '), terms);
            const line = document.createElement('span');
            line.className = 'cb-search-excerpt';
            mark(line, excerpt(text, terms), terms);
            option.append(title, line);
            option.addEventListener('click', () => follow(option));
            return option;
        }));
        selected = -1;
        input.removeAttribute('aria-activedescendant');
        input.setAttribute('aria-expanded', String(sections.length > 0));
        if (sections.length > 0) select(0);
    }

    async function update() {
        const query = input.value;
        const terms = queryTerms(query);
        if (terms.length === 0) {
            show([], []);
            status.textContent = words.hint;
            return;
        }
        try {
            const index = await load();
            if (query !== input.value) return;
            const sections = ask(index, query);
            show(sections, terms);
            status.textContent = sections.length === 0 ? words.none : words.some(sections.length);
        } catch (error) {
            show([], []);
            status.textContent = words.failed(error.message);
        }
    }

    function open() {
        if (dialog.open) return;
        dialog.showModal();
        input.select();
        status.textContent = words.loading;
        update();
        load().catch(() => { /* the query says why */ });
    }

    input.addEventListener('input', update);
    input.addEventListener('keydown', event => {
        if (event.isComposing) return;
        if (event.key === 'ArrowDown') select(selected + 1);
        else if (event.key === 'ArrowUp') select(selected - 1);
        else if (event.key === 'Escape') dialog.close(); // before the browser clears the field instead
        else if (event.key === 'Enter' && list.children[selected]) follow(list.children[selected]);
        else return;
        event.preventDefault();
    });
    // mdBook turns pages at the arrow keys; inside the search they move in the text.
    dialog.addEventListener('keydown', event => event.stopPropagation());
    dialog.addEventListener('click', event => { if (event.target === dialog) dialog.close(); });
    closer.addEventListener('click', () => dialog.close());
    document.body.append(dialog);

    const opener = document.createElement('button');
    opener.type = 'button';
    opener.id = 'cb-search-open';
    opener.className = 'icon-button';
    opener.title = `${words.search} (/)`;
    opener.setAttribute('aria-label', words.search);
    opener.setAttribute('aria-keyshortcuts', '/ s');
    opener.setAttribute('aria-haspopup', 'dialog');
    opener.innerHTML = '<svg viewBox="0 0 24 24" width="20" height="20" fill="none" stroke="currentColor" stroke-width="2.5" '
        + 'stroke-linecap="round" aria-hidden="true"><circle cx="10.5" cy="10.5" r="6.5"/><path d="m15.5 15.5 5 5"/></svg>';
    opener.addEventListener('click', open);
    document.querySelector('.menu-bar .left-buttons')?.append(opener);

    document.addEventListener('keydown', event => {
        const typing = event.target instanceof Element && event.target.closest('input, textarea, select, [contenteditable], [role="textbox"]');
        if (typing || event.altKey || event.ctrlKey || event.metaKey || dialog.open) return;
        if (event.key === '/' || event.key === 's' || event.key === 'S') {
            event.preventDefault();
            open();
        }
    });
})();
