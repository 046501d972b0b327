// node --test: what the template function makes.
import assert from "node:assert/strict";
import { test } from "node:test";
import { html } from "../../internal/web/page/html.js";

test("a part without values is drawn anew: it would keep the page of the first time in memory", () => {
	const draw = () => html`<div><p>Welcome</p></div>`;
	const [first, second] = [draw(), draw()];
	assert.notEqual(first, second);
	assert.notEqual(first.props.children, second.props.children);
	assert.equal(second.props.children.props.children, "Welcome");
});
