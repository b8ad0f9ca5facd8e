// Tables that scroll are reached with the keyboard; the theme wraps them when the page is there.
const mark = () => {
  for (const wrap of document.querySelectorAll(".md-typeset__scrollwrap:not([tabindex])")) wrap.tabIndex = 0;
};
new MutationObserver(mark).observe(document.documentElement, { childList: true, subtree: true });
mark();
