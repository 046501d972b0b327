// The drawer of moderators: the rules of the room, what waits, reports, the people with a role or a penalty, and what was done.
import { AuditLog } from "./auditlog.js";
import { Dialog } from "./dialogs.js";
import { useState } from "./hooks.js";
import { html } from "./html.js";
import { t } from "./i18n.js";
import { LastDone } from "./outcome.js";
import { Queue } from "./queue.js";
import { Reports } from "./reports.js";
import { RoleList } from "./rolelist.js";
import { RuleForm } from "./ruleform.js";

/** @typedef {import("./model.js").Model} Model */

/** What the drawer has, each with the name of its text. */
const TABS = /** @type {const} */ ({ rules: RuleForm, queue: Queue, reports: Reports, people: RoleList, log: AuditLog });

/** @param {{model: Model, close: () => void, open: (part: "ModerationPart", props: object) => void, tab?: keyof typeof TABS}} props */
export function Drawer({ model, close, open, tab = "rules" }) {
	const [shown, setShown] = useState(tab);
	const roomState = model.current;
	const Tab = TABS[shown];
	return html`<${Dialog} title=${t.moderationOf(roomState.name)} close=${close} drawer>
		<div class="tabs" role="group" aria-label=${t.moderate}>${/** @type {(keyof typeof TABS)[]} */ (Object.keys(TABS)).map((key) => html`<button type="button" key=${key} aria-pressed=${key === shown ? "true" : "false"} onClick=${() => setShown(key)}>${t.tabs[key]}</button>`)}</div>
		<div class="drawer-body" key=${shown}><${Tab} roomState=${roomState} close=${close} open=${open} /></div>
		<${LastDone} model=${model} />
	<//>`;
}
