// What the log shows below the text of a message, if there is anything: a poll, the upvotes of a question, what a moderator did, reactions.
import { html } from "./html.js";
import { t } from "./i18n.js";
import { ModerationPart } from "./moderators.js";
import { Poll, QuestionLine } from "./polls.js";
import { Reactions } from "./reactions.js";

/** @param {{roomState: import("./roomstate.js").RoomState, m: import("./ramai/replica.js").ShownMessage}} props */
export const Extras = ({ roomState, m }) => html`
	${m.as === "poll" && html`<${Poll} roomState=${roomState} m=${m} />`}
	${m.as === "question" && html`<${QuestionLine} roomState=${roomState} m=${m} />`}
	${m.as === "notice" && html`<span class="label">${t.notice}</span>`}
	${m.as === "action" && html`<${ModerationPart} view="Did" action=${m.action} model=${roomState.model} close=${() => {}} />`}
	${m.as === "held" && html`<p class="note">${t.held}</p>`}
	<${Reactions} roomState=${roomState} m=${m} />`;
