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
