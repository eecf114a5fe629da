// Two corrections of mdBook's pages for people who use a keyboard or a screen reader.
"use strict";

// mdBook says of the label that opens the list of chapters whether it is open, which only a button can say.
document.getElementById("mdbook-sidebar-toggle")?.setAttribute("role", "button");
// A block of code or a table that is wider than the page can be scrolled with the keyboard once it has the focus.
for (const part of document.querySelectorAll("pre > code, .table-wrapper")) {
    if (part.scrollWidth > part.clientWidth) {
        part.setAttribute("tabindex", "0");
    }
}
