### 中文页面。文本和变量与英文相同。

## Frame
frame-skip = 跳到正文
frame-areas = 栏目
frame-languages = 语言
frame-log-out = 退出登录
area-live = 实时
area-timeline = 记录
area-people = 人员
area-attendance = 考勤
area-doors = 门
area-health = 状态
area-accounts = 账号

## Login
login-title = 登录
login-name = 用户名
login-password = 密码
login-enter = 登录
login-wrong = 用户名或密码错误。
login-wait =
    { $seconds ->
       *[other] 失败次数过多：请等待 { $seconds } 秒后再试。
    }
login-nobody = 还没有账号。请在本机上运行：

## Refusals
refused-title = 操作未完成
refused-home = 返回首页
refused-no-page = 没有页面 { $path }。
refused-role = 您的角色无权执行此操作，请联系管理员。
refused-token = 此表单属于另一个会话。请返回并重新加载页面，然后重试。
refused-late = 文件没有及时到达。请一次少发送一些。
refused-many-files = 一次发送的文件太多。

## Live

## Timeline

## People

## Attendance

## Doors

## Health

## Accounts
role-viewer = 查看者
role-attendance = 考勤员
role-operator = 操作员
role-admin = 管理员
accounts-people = 可以登录的人
accounts-name = 名称
accounts-role = 角色
accounts-since = 创建时间
accounts-acts = 操作
accounts-role-of = { $name } 的角色
accounts-set = 设置
accounts-new-password = 新密码
accounts-password = 密码，至少 { $least } 个字符
accounts-add = 添加账号
accounts-remove = 删除
accounts-remove-sure = { $name } 将立即无法登录。
accounts-tokens = 程序令牌
accounts-tokens-about = 程序在每次请求 API 时发送其令牌。
accounts-token-add = 添加令牌
accounts-token-issued = 令牌 { $name } 只显示这一次，请复制：
accounts-added = 账号已添加。
accounts-changed = 账号已修改，其会话已结束。
accounts-removed = 已删除。
