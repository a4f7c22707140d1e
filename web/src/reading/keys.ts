/** Physical keys → actions. Silent while an input method composes, and in fields save for two keys. */

export interface KeyActions {
  next: () => void
  previous: () => void
  enter: () => void
  escape: () => void
  search: () => void
  signFromField: () => void
  faster: () => void
  slower: () => void
  gainUp: () => void
  gainDown: () => void
  rawDown: () => void
  rawUp: () => void
  layout: (n: number) => void
  nextUnread: () => void
  widen: () => void
  panLeft: () => void
  panRight: () => void
}

function composing(event: KeyboardEvent): boolean {
  return event.isComposing || event.key === 'Process' || event.keyCode === 229
}

function inField(target: EventTarget | null): boolean {
  return target instanceof HTMLElement && (target.matches('input, textarea, select') || target.isContentEditable)
}

function onControl(target: EventTarget | null): boolean {
  // A row of the list is a button for the mouse; its keys are those of the whole room.
  return target instanceof HTMLElement && target.closest('button:not([data-row]), a[href], [data-own-keys]') !== null
}

/** Listen on the window until the returned function is called. */
export function listen(actions: KeyActions): () => void {
  const plain: Record<string, () => void> = {
    KeyJ: actions.next,
    KeyK: actions.previous,
    Slash: actions.search,
    BracketRight: actions.faster,
    BracketLeft: actions.slower,
    Equal: actions.gainUp,
    NumpadAdd: actions.gainUp,
    Minus: actions.gainDown,
    NumpadSubtract: actions.gainDown,
    KeyL: actions.widen,
    ArrowLeft: actions.panLeft,
    ArrowRight: actions.panRight,
  }

  function down(event: KeyboardEvent): void {
    if (composing(event) || event.defaultPrevented) return
    if (event.code === 'Escape') return actions.escape()
    if (inField(event.target)) {
      if (event.ctrlKey && event.code === 'Enter') {
        event.preventDefault()
        actions.signFromField()
      }
      return
    }
    if (event.ctrlKey && event.code === 'Enter') return actions.signFromField()
    if (event.ctrlKey || event.metaKey || event.altKey) return
    if (event.code === 'KeyF') {
      if (!event.repeat) actions.rawDown()
      return
    }
    const digit = /^(?:Digit|Numpad)([1-6])$/.exec(event.code)
    if (digit) return actions.layout(Number(digit[1]))
    if (event.code === 'Enter' || event.code === 'NumpadEnter' || event.code === 'Space') {
      // A focused button answers these itself, and a held key must not run through both steps.
      if (onControl(event.target) || event.repeat) return
      event.preventDefault()
      return event.code === 'Space' ? actions.nextUnread() : actions.enter()
    }
    const action = plain[event.code]
    if (!action) return
    event.preventDefault()
    action()
  }

  function up(event: KeyboardEvent): void {
    if (event.code === 'KeyF') actions.rawUp()
  }

  window.addEventListener('keydown', down)
  window.addEventListener('keyup', up)
  window.addEventListener('blur', actions.rawUp)
  return () => {
    window.removeEventListener('keydown', down)
    window.removeEventListener('keyup', up)
    window.removeEventListener('blur', actions.rawUp)
  }
}
