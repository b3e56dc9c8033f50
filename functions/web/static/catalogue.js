/**
 * Every text of the page, in every language. `{name}` is filled in. A `_text` is the sentence below its title.
 */

export const LANGUAGES = ["en", "de"];

export const CATALOGUE = {
  title: { en: "Balance", de: "Guthaben" },
  your_balance: { en: "Your balance", de: "Ihr Guthaben" },
  account: { en: "Account {account}", de: "Konto {account}" },
  debt: {
    en: "Your balance is negative because a payment was refunded or disputed after it was used. "
      + "What you add makes up for that first.",
    de: "Ihr Guthaben ist negativ, weil eine Zahlung erstattet oder ihr widersprochen wurde, nachdem sie "
      + "verbraucht war. Was Sie aufladen, gleicht das zuerst aus.",
  },
  top_up: { en: "Top up", de: "Aufladen" },
  choose_amount: { en: "Choose an amount", de: "Betrag wählen" },
  offer: { en: "for {price}", de: "für {price}" },
  amount_in: { en: "Amount in {currency}", de: "Betrag in {currency}" },
  amount_credits: { en: "gives you {credit}", de: "ergibt {credit}" },
  amount_range: { en: "From {least} to {most}.", de: "Von {least} bis {most}." },
  amount_missing: { en: "Enter an amount.", de: "Geben Sie einen Betrag ein." },
  amount_not_chosen: { en: "Choose one of the amounts.", de: "Wählen Sie einen der Beträge." },
  amount_not_number: {
    en: "Enter an amount such as {example}, without letters or thousands separators.",
    de: "Geben Sie einen Betrag wie {example} ein, ohne Buchstaben und Tausenderpunkte.",
  },
  amount_too_small: { en: "The smallest top-up is {least}.", de: "Der kleinste Betrag ist {least}." },
  amount_too_large: { en: "The largest top-up is {most}.", de: "Der größte Betrag ist {most}." },
  amount_step: { en: "Enter a multiple of {step}.", de: "Geben Sie ein Vielfaches von {step} ein." },
  tax_added: {
    en: "If tax is due, Stripe’s page adds it.",
    de: "Fällt Steuer an, kommt sie auf der Seite von Stripe hinzu.",
  },
  paid_into: { en: "You are topping up account {account}.", de: "Sie laden das Konto {account} auf." },
  continue: { en: "Continue to Stripe", de: "Weiter zu Stripe" },
  opening: { en: "Opening Stripe…", de: "Stripe wird geöffnet …" },
  card_details: {
    en: "You pay on Stripe’s own page. Your card details never reach us.",
    de: "Sie bezahlen auf der Seite von Stripe. Ihre Kartendaten erreichen uns nie.",
  },
  history: { en: "Top-ups", de: "Aufladungen" },
  history_empty: {
    en: "No top-ups yet. The first one will be listed here.",
    de: "Noch keine Aufladungen. Die erste erscheint hier.",
  },
  history_unavailable: {
    en: "The top-ups cannot be loaded right now.",
    de: "Die Aufladungen können gerade nicht geladen werden.",
  },
  history_more: { en: "Load more", de: "Mehr laden" },
  history_added: { en: "{count} more shown.", de: "{count} weitere werden angezeigt." },

  switch: { en: "Switch to another account?", de: "Zu einem anderen Konto wechseln?" },
  switch_text: {
    en: "This page was used with account {present}. The link that you opened is for account {other}. What you pay "
      + "is added to the account that you choose here. If you did not expect another one, stay.",
    de: "Diese Seite wurde mit dem Konto {present} benutzt. Der Link, den Sie geöffnet haben, gehört zum Konto "
      + "{other}. Was Sie bezahlen, wird dem Konto gutgeschrieben, das Sie hier wählen. Haben Sie kein anderes "
      + "erwartet, bleiben Sie.",
  },
  stay: { en: "Stay with account {present}", de: "Beim Konto {present} bleiben" },
  leave: { en: "Switch to account {other}", de: "Zum Konto {other} wechseln" },
  shown_account: {
    en: "This is the balance of account {account}.",
    de: "Das ist das Guthaben des Kontos {account}.",
  },

  loading: { en: "Loading your balance…", de: "Ihr Guthaben wird geladen …" },
  try_again: { en: "Try again", de: "Noch einmal versuchen" },
  not_signed_in: { en: "You are not signed in", de: "Sie sind nicht angemeldet" },
  not_signed_in_text: {
    en: "Sign in to the application that your balance belongs to, and open your balance from there.",
    de: "Melden Sie sich in der Anwendung an, zu der Ihr Guthaben gehört, und öffnen Sie es von dort.",
  },
  paid_elsewhere: {
    en: "If you have paid, you need not pay again",
    de: "Haben Sie bezahlt, müssen Sie nicht noch einmal bezahlen",
  },
  paid_elsewhere_text: {
    en: "You are not signed in here, so this page cannot show the payment. It continues automatically: open your "
      + "balance from the application to see it.",
    de: "Sie sind hier nicht angemeldet, daher kann diese Seite die Zahlung nicht zeigen. Sie läuft von selbst "
      + "weiter: Öffnen Sie Ihr Guthaben aus der Anwendung, um sie zu sehen.",
  },
  left_elsewhere: {
    en: "If you did not pay, nothing was charged",
    de: "Haben Sie nicht bezahlt, wurde nichts abgebucht",
  },
  left_elsewhere_text: {
    en: "You are not signed in here. Go back to the application to start again, or to see your balance.",
    de: "Sie sind hier nicht angemeldet. Gehen Sie zurück zur Anwendung, um neu zu beginnen oder Ihr Guthaben zu "
      + "sehen.",
  },
  signed_out: { en: "Your session has expired", de: "Ihre Anmeldung ist abgelaufen" },
  signed_out_text: {
    en: "Open this page again from the application where you signed in. Nothing is lost: payments continue.",
    de: "Öffnen Sie diese Seite noch einmal aus der Anwendung, in der Sie sich angemeldet haben. Nichts ist "
      + "verloren: Zahlungen laufen weiter.",
  },
  unavailable: {
    en: "Your balance cannot be shown right now",
    de: "Ihr Guthaben kann gerade nicht angezeigt werden",
  },
  unavailable_text: {
    en: "The server did not answer as it should. Your balance is safe.",
    de: "Der Server hat nicht richtig geantwortet. Ihr Guthaben ist sicher.",
  },
  unknown_account: { en: "This account is not known here.", de: "Dieses Konto ist hier nicht bekannt." },

  cancelled: { en: "Payment cancelled", de: "Zahlung abgebrochen" },
  cancelled_text: { en: "Nothing was charged.", de: "Es wurde nichts abgebucht." },
  unfinished: { en: "Your last top-up is not finished", de: "Ihre letzte Aufladung ist nicht abgeschlossen" },
  unfinished_text: { en: "Nothing was charged yet.", de: "Es wurde noch nichts abgebucht." },
  resume: {
    en: "{amount} is still filled in: continue whenever you like.",
    de: "{amount} ist noch eingetragen: Machen Sie weiter, wann Sie möchten.",
  },
  not_in_history: {
    en: "This payment is not among your top-ups",
    de: "Diese Zahlung ist nicht unter Ihren Aufladungen",
  },
  not_in_history_text: {
    en: "It may belong to another account. If you paid with this one, it will appear below.",
    de: "Vielleicht gehört sie zu einem anderen Konto. Haben Sie mit diesem bezahlt, erscheint sie unten.",
  },

  credited_text: { en: "Your balance went up by {credit}.", de: "Ihr Guthaben ist um {credit} gestiegen." },
  before: { en: "Before", de: "Vorher" },
  added: { en: "Added", de: "Gutgeschrieben" },
  paid: { en: "Paid", de: "Bezahlt" },
  paid_text: {
    en: "This payment is not for your balance, which stays as it is.",
    de: "Diese Zahlung ist nicht für Ihr Guthaben, das gleich bleibt.",
  },
  received: { en: "Payment received", de: "Zahlung eingegangen" },
  received_text: { en: "Adding it to your balance…", de: "Sie wird Ihrem Guthaben gutgeschrieben …" },
  received_otherwise_text: { en: "Waiting for its confirmation…", de: "Die Bestätigung steht noch aus …" },
  slow: { en: "Still processing", de: "Noch in Bearbeitung" },
  safe_to_leave: {
    en: "It is safe to leave this page: your balance goes up automatically.",
    de: "Sie können diese Seite verlassen: Ihr Guthaben steigt von selbst.",
  },
  safe_to_leave_otherwise: {
    en: "It is safe to leave this page: the payment continues automatically.",
    de: "Sie können diese Seite verlassen: Die Zahlung läuft von selbst weiter.",
  },
  processing: {
    en: "Your bank is processing the payment",
    de: "Ihre Bank bearbeitet die Zahlung",
  },
  processing_text: { en: "This can take several days.", de: "Das kann mehrere Tage dauern." },
  failed: { en: "The payment failed", de: "Die Zahlung ist fehlgeschlagen" },
  failed_text: {
    en: "Your bank did not carry it out: often the account had too little money, or does not take direct debits. "
      + "Your balance stays as it was. You can try again, or pay another way.",
    de: "Ihre Bank hat sie nicht ausgeführt: Oft war das Konto nicht gedeckt oder nimmt keine Lastschriften an. Ihr "
      + "Guthaben bleibt, wie es war. Sie können es noch einmal versuchen oder anders bezahlen.",
  },
  expired: { en: "The payment page expired", de: "Die Bezahlseite ist abgelaufen" },
  expired_text: {
    en: "It was not paid in time. Nothing was charged, and you can start again.",
    de: "Es wurde nicht rechtzeitig bezahlt. Es wurde nichts abgebucht, und Sie können neu beginnen.",
  },
  not_started: { en: "The payment could not be started", de: "Die Zahlung konnte nicht begonnen werden" },
  not_started_text: {
    en: "Nothing was charged, and you can start again.",
    de: "Es wurde nichts abgebucht, und Sie können neu beginnen.",
  },

  not_charged: {
    en: "Nothing was charged, and your amount is kept.",
    de: "Es wurde nichts abgebucht, und Ihr Betrag bleibt eingetragen.",
  },
  same_payment: { en: "Try again: it stays one payment.", de: "Versuchen Sie es noch einmal: Es bleibt eine Zahlung." },
  in_a_moment: {
    en: "Please try again in a moment.",
    de: "Bitte versuchen Sie es gleich noch einmal.",
  },
  no_answer: { en: "No answer came back", de: "Es kam keine Antwort" },
  not_accepted: { en: "This amount was not accepted", de: "Dieser Betrag wurde nicht angenommen" },
  not_accepted_text: {
    en: "The prices may have changed: load the page again, or choose another amount.",
    de: "Vielleicht haben sich die Preise geändert: Laden Sie die Seite neu, oder wählen Sie einen anderen Betrag.",
  },
  no_account: { en: "Your account was not found", de: "Ihr Konto wurde nicht gefunden" },
  no_account_text: { en: "It cannot be topped up.", de: "Es kann nicht aufgeladen werden." },
  conflict: {
    en: "This top-up was already started differently",
    de: "Diese Aufladung wurde schon anders begonnen",
  },
  conflict_text: { en: "Continue to start a new one.", de: "Machen Sie weiter, um eine neue zu beginnen." },
  too_many: { en: "A limit has been reached", de: "Ein Limit ist erreicht" },
  too_many_text: {
    en: "Please try again {time}. A smaller amount may be possible sooner.",
    de: "Bitte versuchen Sie es {time} noch einmal. Mit einem kleineren Betrag geht es vielleicht schon früher.",
  },
  later: { en: "later", de: "später" },
  stripe_away: { en: "Stripe cannot be reached right now", de: "Stripe ist gerade nicht erreichbar" },
  not_available: {
    en: "Top-ups are not available right now",
    de: "Aufladungen sind gerade nicht möglich",
  },
  our_mistake: { en: "Something went wrong on our side", de: "Bei uns ist etwas schiefgegangen" },

  status_starting: { en: "Starting", de: "Wird begonnen" },
  status_not_paid: { en: "Not paid yet", de: "Noch nicht bezahlt" },
  status_not_started: { en: "Not started", de: "Nicht begonnen" },
  status_processing: { en: "Processing at the bank", de: "Bei der Bank in Bearbeitung" },
  status_being_added: { en: "Paid, being added", de: "Bezahlt, wird gutgeschrieben" },
  taken_back: { en: "{label}, {amount} taken back", de: "{label}, {amount} zurückgenommen" },
  status_failed: { en: "Payment failed", de: "Zahlung fehlgeschlagen" },
  status_expired: { en: "Expired, not paid", de: "Abgelaufen, nicht bezahlt" },
};
