// What the first view does not need: dialogs, menus, notifications and emoji. It is a second file, which lazy.js loads once the
// page is idle, with its texts and its styles (later.css).
import { ConfirmDelete, EditTime, RefusedChange, settledText, WritingBar } from "./changing.js";
import { LongPaste, Share } from "./dialogs.js";
import { addTexts } from "./i18n.js";
import { CopyLink } from "./invite.js";
import enLater from "./lang/en-later.js";
import { Menu } from "./menu.js";
import { ActionBar, actionsFor } from "./messagemenu.js";
import "./moreicons.js";
import { notify, replaceNotification } from "./notifications.js";
import { EmojiPicker, loadEmoji } from "./picker.js";
import { HTTPConnection } from "./ramai/http.js";
import { Jump, Search } from "./search.js";
import { Settings } from "./settings.js";

addTexts(enLater);

export { ActionBar, actionsFor, ConfirmDelete, CopyLink, EditTime, EmojiPicker, HTTPConnection, Jump, loadEmoji, LongPaste, Menu, notify, RefusedChange, replaceNotification, Search, Settings, settledText, Share, WritingBar };
