// What the log shows below the text of a message, if there is anything: a poll, the upvotes of a question, reactions.
import { html } from "./html.js";
import { t } from "./i18n.js";
import { Poll, QuestionLine } from "./polls.js";
import { Reactions } from "./reactions.js";

/** @param {{roomState: import("./roomstate.js").RoomState, m: import("./ramai/replica.js").ShownMessage}} props */
export const Extras = ({ roomState, m }) => html`
	${m.as === "poll" && html`<${Poll} roomState=${roomState} m=${m} />`}
	${m.as === "question" && html`<${QuestionLine} roomState=${roomState} m=${m} />`}
	${m.as === "notice" && html`<span class="label">${t.notice}</span>`}
	<${Reactions} roomState=${roomState} m=${m} />`;
