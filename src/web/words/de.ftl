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
people-search = Name, Personalnummer oder Nummer
people-group = Gruppe
people-group-any = Alle Gruppen
people-state = Zustand
people-state-any = Alle
people-state-enabled = Freigegeben
people-state-disabled = Gesperrt
people-state-faceless = Ohne Gesicht
people-show = Anzeigen
people-count = { $found } von { $all } Personen
people-nobody = Es ist noch niemand erfasst.
people-pages = Seiten der Liste
people-sections = Rund um Personen
people-new = Person erfassen
people-visitors = Unbekannte Besucher
people-duplicates = Mögliche Doppelte
people-import = Liste einlesen
people-name = Name
people-employee-id = Personalnummer
people-groups = Gruppen
people-groups-field = Gruppen, durch Semikolon getrennt
people-templates = Vorlagen
people-since = Erfasst
people-enabled = Freigegeben
people-disabled = Gesperrt
people-locked = Nicht zu öffnen
people-foreign = Anderes Modell
people-no-face = Noch kein Gesicht
people-no-number = Niemand hat die Nummer { $number }.
people-valid = Türen öffnen
people-always = unbegrenzt
people-from = ab
people-before = vor
people-records = Einträge über diese Person
people-change = Ändern
people-first-day = Erster Tag
people-last-day = Letzter Tag
people-days-about = Ohne Tag gibt es keine Grenze.
people-save = Speichern
people-no-day = { $day } ist kein Tag wie 2026-12-31.
people-endings = Sperren, entfernen, Datenschutz
people-disable = Sperren
people-enable = Freigeben
people-remove = Entfernen
people-remove-sure = { $name } wird mit allen Vorlagen, PINs und Tags gelöscht. Das Journal behält seine Einträge.
people-export = Alles über diese Person exportieren
people-erase = Alles über diese Person löschen
people-erase-sure = { $name } wird entfernt, aufbewahrte Gesichter werden gelöscht, und der Name verschwindet aus jedem Eintrag des Journals. Das lässt sich nicht rückgängig machen. Frühere Sicherungen enthalten den Namen weiterhin.
people-changed = Gespeichert.
people-removed = Die Person wurde entfernt.
people-erased = Alles, was über die Person aufbewahrt wurde, ist gelöscht.
people-enrolled = Die Person ist erfasst.
people-templates-added = Die Vorlagen wurden hinzugefügt.
people-template-erased = Die Vorlage wurde gelöscht.
people-add-templates = Vorlagen hinzufügen
people-no-face-about = Keine Tür erkennt diese Person: Es gibt keine Vorlage. Fügen Sie eine aus Fotos oder von einer Kamera hinzu.
people-template = Vorlage
people-made = Erstellt
people-pixels = Pixel
people-sharpness = Schärfe
people-turned = Gedreht
people-tilted = Geneigt
people-brightness = Helligkeit
people-strength = Stärke
people-acts = Aktionen
people-templates-about = Die Stärke ist die Länge des Embeddings: Je größer, desto besser zeigt das Bild das Gesicht. Eine Vorlage besteht aus Zahlen und ist kein Bild.
people-erase-template = Löschen
people-erase-template-sure = Die Vorlage wird endgültig gelöscht, auch aus versiegelten Sicherungen.
people-last-template = Das ist die letzte Vorlage: Ohne sie erkennt keine Tür diese Person.
people-kind-enrolled = Erfasst
people-kind-learned = Aus einem Einlass gelernt
people-kind-lookalike = Jemand anderes, der ähnlich aussieht
people-credentials = PIN und Tags
people-credentials-unreadable = PIN und Tags sind nicht lesbar: Sie sind beschädigt, oder der Schlüssel fehlt.
people-has-pin = Es gibt eine PIN.
people-has-no-pin = Es gibt keine PIN.
people-tag = Tag
people-tag-remove = Entfernen
people-pin-set = PIN festlegen
people-pin = PIN, 4 bis 10 Ziffern
people-pin-again = Noch einmal dieselbe
people-pin-duress = Es ist die Überfall-PIN: Sie öffnet und löst stillen Alarm aus
people-pin-differs = Die beiden PINs stimmen nicht überein.
people-pin-remove = PIN entfernen
people-tag-add = Tag hinzufügen
people-tag-number = Nummer, wie der Leser sie sendet
people-tag-label = Bezeichnung
people-from-photographs = Aus Fotos
people-from-camera = Vor einer Kamera
people-photographs = Fotos, höchstens { $most }
people-photographs-about = Zwei oder drei scharfe Fotos von vorn mit je einem Gesicht, bei verschiedenem Licht. Sie werden nicht aufbewahrt.
people-largest = Von mehreren Gesichtern das größte nehmen
people-force = Auch wenn es jemand anderes sein könnte oder das Gesicht schwach ist
people-enroll = Erfassen
people-more-of = Weitere Vorlagen von { $name }
people-photograph-taken = Genommen
people-photograph-refused = Nicht genommen
people-no-photograph = Kein Foto war brauchbar. Es wurde nichts geändert.
people-too-many = Senden Sie höchstens { $most } Fotos auf einmal.
people-too-large = Die Datei ist größer als 8 MB. Verwenden Sie eine kleinere.
people-advice-no-picture = Die Kamera hat noch kein Bild geliefert.
people-advice-no-face = Es ist kein Gesicht zu sehen. Schauen Sie in die Kamera.
people-advice-several = Es sind mehrere Gesichter zu sehen. Nur eines darf im Bild sein.
people-advice-small = Das Gesicht ist zu klein. Kommen Sie näher.
people-advice-blurred = Das Gesicht ist unscharf. Halten Sie still, oder sorgen Sie für mehr Licht.
people-advice-turned = Der Kopf ist gedreht. Schauen Sie gerade in die Kamera.
people-advice-nodding = Der Kopf ist nach oben oder unten geneigt. Schauen Sie gerade in die Kamera.
people-advice-dark = Das Gesicht ist zu dunkel. Sorgen Sie für Licht von vorn.
people-advice-bright = Das Gesicht ist zu hell. Nehmen Sie das Licht weg.
people-advice-weak = Das Gesicht ist nicht deutlich. Nichts darf es verdecken, und es darf nicht im Schatten liegen.
people-advice-other-person = Das ist nicht die Person der ersten Aufnahme.
people-advice-good = Gut. Bewegen Sie den Kopf ein wenig.
people-advice-unreadable = Das ist kein lesbares Bild. Verwenden Sie eine JPEG-, PNG-, WebP- oder BMP-Datei.
people-camera = Kamera
people-camera-about = Die Person steht allein vor der Kamera. Es werden { $views } gute Aufnahmen gemacht.
people-weak = Auch schwache Gesichter nehmen
people-look = Beginnen
people-picture-of = Bild der Kamera { $camera }
people-good-views = Gute Aufnahmen
people-sitting-about = Stellen Sie sich allein vor die Kamera. Sobald es genug Aufnahmen gibt, geht es von selbst weiter.
people-refresh = Neu laden
people-cancel = Abbrechen
people-sitting-over = Die Zeit war um, bevor es genug gute Aufnahmen gab.
people-again = Noch einmal
people-views-taken = Es gibt { $views } gute Aufnahmen.
people-sitting-kept = Die Aufnahmen bleiben zehn Minuten lang im Arbeitsspeicher.
people-visitors-about = Gesichter, die eine Tür als unbekannt abgewiesen hat, nach Personen gruppiert. Aufbewahrt werden nur Zahlen, keine Bilder.
people-visitors-not-kept = Unbekannte Besucher werden nicht aufbewahrt. Diese Einstellung bewahrt sie auf:
people-visitors-count =
    { $visitors ->
        [one] Ein Besucher
       *[other] { $visitors } Besucher
    } bei { $visits ->
        [one] einem Besuch
       *[other] { $visits } Besuchen
    }
people-visitors-foreign = { $visits } Besuche fehlen hier: Ihre Embeddings stammen von einem anderen Modell.
people-visitors-unreadable = { $visits } Besuche sind nicht lesbar; sie verfallen wie die anderen.
people-visits = Besuche: { $visits }
people-first-visit = Zuerst
people-last-visit = Zuletzt
people-doors = Türen
people-nearest = Ähnlichste Person
people-maybe-them = vielleicht dieselbe Person
people-last-record = Eintrag des letzten Besuchs
people-make-person = Aus diesem Besucher eine Person machen
people-is-somebody = Es ist jemand, der erfasst ist
people-person = Person
people-forget = Vergessen
people-forget-sure = Die Besuche werden gelöscht.
people-forget-all = Alle vergessen
people-forget-all-sure = Alle { $visits } Besuche werden gelöscht.
people-forgotten = Die Besuche wurden gelöscht.
people-duplicates-about = Personen, deren Vorlagen einander nahe sind. Bis { $limit } kann eine Tür die eine für die andere halten: Jemand ist doppelt erfasst, oder zwei sehen sich ähnlich.
people-no-duplicates = Niemand ist jemand anderem nahe.
people-within = Innerhalb der Grenze
people-nearly = Beinahe
people-distance = Abstand { $distance }
people-list = Liste (CSV)
people-preview = Zeigen, was sich ändern würde
people-import-about = Eine Zeile findet ihre Person über die Nummer, sonst über die Personalnummer, sonst über den Namen. Wer nicht gefunden wird, ist neu und hat noch kein Gesicht. Niemand wird entfernt.
people-import-columns = Spalten:
people-import-cells = Eine leere Zelle lässt alles, wie es ist; - entfernt. Mehrere Gruppen werden durch Semikolon getrennt. Tage werden als 2026-12-31 geschrieben; valid_until ist der letzte.
people-no-list = Wählen Sie zuerst eine Datei.
people-import-would = Was sich ändern würde
people-import-counts = Geändert: { $changed }, neu: { $new }, unverändert: { $unchanged }, mit Fehlern: { $problems }
people-import-problems = Berichtigen Sie zuerst diese Zeilen. Solange eine nicht ausführbar ist, wird nichts geändert.
people-import-apply = Ausführen
people-import-change = Änderung
people-import-new = neu
people-import-more = und { $rows } weitere Zeilen
people-imported = Die Liste wurde ausgeführt.
people-line = Zeile
people-problem = Fehler

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
