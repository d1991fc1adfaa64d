### The page in English. The other languages have the same texts, with the same variables. An id begins with its area.

## Frame
frame-skip = Skip to the content
frame-areas = Areas
frame-languages = Languages
frame-log-out = Log out
area-live = Live
area-timeline = Timeline
area-people = People
area-attendance = Attendance
area-doors = Doors
area-health = Health
area-accounts = Accounts

## Login
login-title = Log in
login-name = Name
login-password = Password
login-enter = Log in
login-wrong = The name or the password is wrong.
login-wait =
    { $seconds ->
        [one] Too many failures: wait a second, then try again.
       *[other] Too many failures: wait { $seconds } seconds, then try again.
    }
login-nobody = There is no account yet. On this machine, run:

## Refusals
refused-title = That did not work
refused-home = To the first page
refused-no-page = There is no page { $path }.
refused-role = Your role does not allow that. Ask an admin.
refused-token = This form is from another session. Go back, load the page again, and repeat.
refused-late = The files did not arrive in time. Send fewer at once.
refused-many-files = These are too many files at once.

## Live

## Timeline

## People
people-search = Name, employee id or number
people-group = Group
people-group-any = All groups
people-state = State
people-state-any = All
people-state-enabled = Enabled
people-state-disabled = Disabled
people-state-faceless = Without a face
people-show = Show
people-count = { $found } of { $all } people
people-nobody = Nobody is enrolled yet.
people-pages = Pages of the list
people-sections = About people
people-new = Enrol a person
people-visitors = Unknown visitors
people-duplicates = Possible duplicates
people-import = Import a list
people-name = Name
people-employee-id = Employee id
people-groups = Groups
people-groups-field = Groups, separated by semicolons
people-templates = Templates
people-since = Enrolled
people-enabled = Enabled
people-disabled = Disabled
people-locked = Cannot be opened
people-foreign = Other model
people-no-face = No face yet
people-no-number = Nobody has the number { $number }.
people-valid = Doors open
people-always = without limit
people-from = from
people-before = before
people-records = Records about this person
people-change = Change
people-first-day = First day
people-last-day = Last day
people-days-about = Without a day there is no limit.
people-save = Save
people-no-day = { $day } is not a day, as 2026-12-31.
people-endings = Disable, remove, data protection
people-disable = Disable
people-enable = Enable
people-remove = Remove
people-remove-sure = { $name } and all templates, PINs and tags are erased. The journal keeps its records.
people-export = Export everything about this person
people-erase = Erase everything about this person
people-erase-sure = { $name } is removed, kept faces are erased, and the name goes from every record of the journal. This cannot be undone. Backups made before still hold the name.
people-changed = Saved.
people-removed = The person was removed.
people-erased = Everything that was kept of the person was erased.
people-enrolled = The person is enrolled.
people-templates-added = The templates were added.
people-template-erased = The template was erased.
people-add-templates = Add templates
people-no-face-about = No door recognises this person: there is no template. Add one from photographs or a camera.
people-template = Template
people-made = Made
people-pixels = Pixels
people-sharpness = Sharpness
people-turned = Turned
people-tilted = Tilted
people-brightness = Brightness
people-strength = Strength
people-acts = Acts
people-templates-about = Strength is the length of the embedding: the larger, the better the picture shows the face. A template is numbers, not a picture.
people-erase-template = Erase
people-erase-template-sure = The template is erased for good, from sealed backups too.
people-last-template = This is the last template: without it, no door recognises this person.
people-kind-enrolled = Enrolled
people-kind-learned = Learned from a grant
people-kind-lookalike = Somebody else, who looks alike
people-credentials = PIN and tags
people-credentials-unreadable = PIN and tags cannot be read: they are damaged, or the key is missing.
people-has-pin = There is a PIN.
people-has-no-pin = There is no PIN.
people-tag = Tag
people-tag-remove = Remove
people-pin-set = Set the PIN
people-pin = PIN, 4 to 10 digits
people-pin-again = The same again
people-pin-duress = It is the duress PIN: it opens and raises a silent alarm
people-pin-differs = The two PINs are not the same.
people-pin-remove = Remove the PIN
people-tag-add = Add a tag
people-tag-number = Number, as the reader sends it
people-tag-label = What to call it
people-from-photographs = From photographs
people-from-camera = In front of a camera
people-photographs = Photographs, { $most } at most
people-photographs-about = Two or three sharp photographs from the front, with one face each, in different light. They are not kept.
people-largest = Of several faces, take the largest
people-force = Even if it may be somebody else, or the face is weak
people-enroll = Enrol
people-more-of = More templates of { $name }
people-photograph-taken = Taken
people-photograph-refused = Not taken
people-no-photograph = No photograph could be used, so nothing was changed.
people-too-many = Send at most { $most } photographs at once.
people-too-large = The file is larger than 8 MB. Use a smaller one.
people-advice-no-picture = The camera has given no picture yet.
people-advice-no-face = There is no face. Look into the camera.
people-advice-several = There are several faces. Only one may be in the picture.
people-advice-small = The face is too small. Come nearer.
people-advice-blurred = The face is blurred. Hold still, or add light.
people-advice-turned = The head is turned. Look straight into the camera.
people-advice-nodding = The head is tilted up or down. Look straight into the camera.
people-advice-dark = The face is too dark. Add light from the front.
people-advice-bright = The face is too bright. Take the light away from it.
people-advice-weak = The face is not clear. Nothing may cover it, and it must not lie in shadow.
people-advice-other-person = This is not the person of the first view.
people-advice-good = Good. Move your head a little.
people-advice-unreadable = This is no picture that can be read. Use a JPEG, PNG, WebP or BMP file.
people-camera = Camera
people-camera-about = The person stands before the camera, alone. { $views } good views are taken.
people-weak = Take weak faces, too
people-look = Begin
people-picture-of = Picture of the camera { $camera }
people-good-views = Good views
people-sitting-about = Stand before the camera, alone. The page goes on by itself once there are enough views.
people-refresh = Look again
people-cancel = Cancel
people-sitting-over = The time was over before there were enough good views.
people-again = Once more
people-views-taken = { $views } good views were taken.
people-sitting-kept = The views are kept for ten minutes, in memory only.
people-visitors-about = Faces that a door refused as unknown, grouped by person. Only numbers of the face are kept, no pictures.
people-visitors-not-kept = Unknown visitors are not kept. This setting keeps them:
people-visitors-count =
    { $visitors ->
        [one] One visitor
       *[other] { $visitors } visitors
    } in { $visits ->
        [one] one visit
       *[other] { $visits } visits
    }
people-visitors-foreign = { $visits } visits are left out: another model made their embeddings.
people-visitors-unreadable = { $visits } visits cannot be read; they expire like the others.
people-visits = Visits: { $visits }
people-first-visit = First
people-last-visit = Last
people-doors = Doors
people-nearest = Nearest person
people-maybe-them = perhaps the same
people-last-record = Record of the last visit
people-make-person = Make a person of this visitor
people-is-somebody = It is somebody who is enrolled
people-person = Person
people-forget = Forget
people-forget-sure = The visits are erased.
people-forget-all = Forget all
people-forget-all-sure = All { $visits } visits are erased.
people-forgotten = The visits were erased.
people-duplicates-about = People whose templates are near each other. Within { $limit }, a door may take one for the other: it is somebody who is enrolled twice, or two who look alike.
people-no-duplicates = Nobody is near anybody else.
people-within = Within the limit
people-nearly = Nearly
people-distance = Distance { $distance }
people-list = List (CSV)
people-preview = Show what would change
people-import-about = A row finds its person by number, else by employee id, else by name. Nobody found is somebody new, without a face. Nobody is removed.
people-import-columns = Columns:
people-import-cells = An empty cell leaves things as they are, - removes them. Several groups are separated by semicolons. Days are written as 2026-12-31; valid_until is the last one.
people-no-list = Choose a file first.
people-import-would = What would change
people-import-counts = Changed: { $changed }, new: { $new }, unchanged: { $unchanged }, with problems: { $problems }
people-import-problems = Correct these rows first. Nothing is changed while one of them cannot be carried out.
people-import-apply = Carry it out
people-import-change = Change
people-import-new = new
people-import-more = and { $rows } more rows
people-imported = The list was carried out.
people-line = Line
people-problem = Problem

## Attendance

## Doors

## Health

## Accounts
role-viewer = Viewer
role-attendance = Attendance
role-operator = Operator
role-admin = Admin
accounts-people = People who may log in
accounts-name = Name
accounts-role = Role
accounts-since = Since
accounts-acts = Acts
accounts-role-of = Role of { $name }
accounts-set = Set
accounts-new-password = New password
accounts-password = Password, { $least } characters or more
accounts-add = Add an account
accounts-remove = Remove
accounts-remove-sure = { $name } can no longer log in, from this moment on.
accounts-tokens = Tokens of programs
accounts-tokens-about = A program sends its token with each request to the API.
accounts-token-add = Add a token
accounts-token-issued = The token { $name } is shown only now. Copy it:
accounts-added = The account was added.
accounts-changed = The account was changed. Its sessions have ended.
accounts-removed = Removed.
