/**
 * The page's language: the first of the browser's that the catalogue has, or else English.
 */

import { CATALOGUE, LANGUAGES } from "./catalogue.js";

const languageOf = (tag) => tag.toLowerCase().split("-")[0];

// Chromium on Linux can say "en-US@posix", which Intl refuses.
const tags = navigator.languages.map((tag) => tag.split("@")[0]);

/** What Intl formats numbers and times by, such as "de-AT". It goes with the texts. */
export const locale = tags.find((tag) => LANGUAGES.includes(languageOf(tag))) ?? LANGUAGES[0];

const language = languageOf(locale);
const PLACE = /\{(\w+)\}/;

/** The text in the page's language, with its values. */
export function say(key, values = {}) {
  return CATALOGUE[key][language].replaceAll(new RegExp(PLACE, "g"), (_place, name) => String(values[name]));
}

/**
 * Write the texts that the document names by `data-text`. A value of theirs becomes `<bdi data-…>`, which is filled in
 * when it is known.
 */
export function translate() {
  document.documentElement.lang = language;
  for (const element of document.querySelectorAll("[data-text]")) {
    // Every other part is the name of a value.
    const parts = CATALOGUE[element.dataset.text][language].split(PLACE);
    element.replaceChildren(...parts.map((part, index) => (index % 2 ? placeFor(part) : part)));
  }
}

function placeFor(name) {
  const made = document.createElement("bdi");
  made.dataset[name] = "";
  return made;
}
