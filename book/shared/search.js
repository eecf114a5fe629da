// Search in a language without spaces between words. mdBook's index splits a text at spaces, and its
// query drops every character outside of ASCII, so that no Japanese word is ever found. This replaces
// the search in the index by a search in the texts that the index stores: a result holds all words of
// the query, wherever they stand.
"use strict";

(() => {
    if (typeof elasticlunr === "undefined") {
        return;
    }
    // The number of characters that are shown on each side of the first word that is found.
    const AROUND = 60;
    const folded = text => text.normalize("NFKC").toLowerCase();

    // Returns how often `word` stands in `text`.
    const count = (text, word) => text.split(word).length - 1;

    // Returns a part of `body` around the first of the words, with spaces around each word: mdBook
    // marks a word where it stands between spaces.
    const excerpt = (body, words) => {
        const text = folded(body).replace(/\s+/g, " ");
        const places = words.map(word => text.indexOf(word)).filter(place => place >= 0);
        const first = places.length > 0 ? Math.min(...places) : 0;
        const begin = Math.max(0, first - AROUND);
        let part = text.slice(begin, first + 2 * AROUND);
        for (const word of words) {
            part = part.split(word).join(` ${word} `);
        }
        return part;
    };

    elasticlunr.Index.prototype.search = function search(query) {
        const words = folded(query).split(/\s+/).filter(word => word !== "");
        const found = [];
        for (const [ref, doc] of Object.entries(this.documentStore.docs)) {
            const title = folded(doc.title);
            const body = folded(doc.body);
            const counts = words.map(word => 10 * count(title, word) + count(body, word));
            if (words.length > 0 && counts.every(n => n > 0)) {
                const score = counts.reduce((sum, n) => sum + n, 0);
                found.push({ ref, score, doc: { ...doc, body: excerpt(doc.body, words) } });
            }
        }
        return found.sort((a, b) => b.score - a.score);
    };

    // A query of the page's address may have been answered before this script was read. mdBook ignores
    // a query that is equal to the last one, so that another one comes first.
    const bar = document.getElementById("mdbook-searchbar");
    const typed = bar === null ? "" : bar.value;
    if (typed.trim() !== "") {
        for (const value of [`${typed} .`, typed]) {
            bar.value = value;
            bar.dispatchEvent(new Event("keyup"));
        }
    }
})();
