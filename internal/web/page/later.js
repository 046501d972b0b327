// What the first view does not need: dialogs, menus, notifications and emoji. It is a second file, which lazy.js loads once the
// page is idle, with its texts and its styles (later.css).
import { Announcer } from "./announcer.js";
import { Ask, AskButton } from "./ask.js";
import { Banner } from "./banner.js";
import { ConfirmDelete, RefusedChange, WritingBar } from "./changing.js";
import { Devices } from "./devices.js";
import { LongPaste, Share } from "./dialogs.js";
import { Extras } from "./extras.js";
import { addTexts } from "./i18n.js";
import { CopyLink } from "./invite.js";
import enLater from "./lang/en-later.js";
import { LeftRoom } from "./leftroom.js";
import { Menu } from "./menu.js";
import { ActionBar, actionsFor, quickReactions } from "./messagemenu.js";
import "./moreicons.js";
import { notify, replaceNotification } from "./notifications.js";
import { People } from "./peoplelist.js";
import { EmojiPicker, loadEmoji } from "./picker.js";
import { drawIcon } from "./pageicon.js";
import { redeemInvite } from "./redeem.js";
import { Questions } from "./questions.js";
import { HTTPConnection } from "./ramai/http.js";
import { ReactionPicker } from "./reactions.js";
import { ModerationButton, ModerationPart } from "./moderators.js";
import { Report } from "./report.js";
import { RoomAbout, RoomBar, Topic } from "./roombar.js";
import { closesBox, RuleMarks, Silence, silenceOf } from "./rules.js";
import { Jump, Search } from "./search.js";
import { Settings } from "./settings.js";
import { Stage } from "./stage.js";

addTexts(enLater);

export { ActionBar, actionsFor, Announcer, Ask, AskButton, Banner, closesBox, ConfirmDelete, CopyLink, Devices, drawIcon, EmojiPicker, Extras, HTTPConnection, Jump, LeftRoom, loadEmoji, LongPaste, Menu, ModerationButton, ModerationPart, notify, People, Questions, quickReactions, ReactionPicker, redeemInvite, RefusedChange, replaceNotification, Report, RoomAbout, RoomBar, RuleMarks, Search, Settings, Share, Silence, silenceOf, Stage, Topic, WritingBar };
