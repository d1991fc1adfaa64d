### Die Seite auf Deutsch. Texte und Variablen sind die gleichen wie im Englischen.

## Frame
frame-skip = Zum Inhalt springen
frame-areas = Bereiche
frame-languages = Sprachen
frame-log-out = Abmelden
area-live = Live
area-timeline = Verlauf
area-people = Personen
area-attendance = Anwesenheit
area-doors = Türen
area-health = Zustand
area-accounts = Konten

## Login
login-title = Anmelden
login-name = Name
login-password = Passwort
login-enter = Anmelden
login-wrong = Name oder Passwort ist falsch.
login-wait =
    { $seconds ->
        [one] Zu viele Fehlversuche: Warten Sie eine Sekunde und versuchen Sie es erneut.
       *[other] Zu viele Fehlversuche: Warten Sie { $seconds } Sekunden und versuchen Sie es erneut.
    }
login-nobody = Es gibt noch kein Konto. Führen Sie auf diesem Gerät aus:

## Refusals
refused-title = Das hat nicht geklappt
refused-home = Zur ersten Seite
refused-no-page = Die Seite { $path } gibt es nicht.
refused-role = Ihre Rolle erlaubt das nicht. Wenden Sie sich an einen Administrator.
refused-token = Dieses Formular gehört zu einer anderen Sitzung. Gehen Sie zurück, laden Sie die Seite neu und wiederholen Sie den Vorgang.
refused-late = Die Dateien sind nicht rechtzeitig angekommen. Senden Sie weniger auf einmal.
refused-many-files = Das sind zu viele Dateien auf einmal.

## Live

## Timeline

## People

## Attendance

## Doors

## Health

## Accounts
role-viewer = Betrachter
role-attendance = Anwesenheit
role-operator = Bediener
role-admin = Administrator
accounts-people = Wer sich anmelden darf
accounts-name = Name
accounts-role = Rolle
accounts-since = Seit
accounts-acts = Aktionen
accounts-role-of = Rolle von { $name }
accounts-set = Setzen
accounts-new-password = Neues Passwort
accounts-password = Passwort, mindestens { $least } Zeichen
accounts-add = Konto anlegen
accounts-remove = Entfernen
accounts-remove-sure = { $name } kann sich ab sofort nicht mehr anmelden.
accounts-tokens = Token für Programme
accounts-tokens-about = Ein Programm sendet sein Token mit jeder Anfrage an die API.
accounts-token-add = Token anlegen
accounts-token-issued = Das Token { $name } wird nur jetzt angezeigt. Kopieren Sie es:
accounts-added = Das Konto wurde angelegt.
accounts-changed = Das Konto wurde geändert. Seine Sitzungen sind beendet.
accounts-removed = Entfernt.
