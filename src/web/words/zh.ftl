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
people-search = 姓名、工号或编号
people-group = 组
people-group-any = 所有组
people-state = 状态
people-state-any = 全部
people-state-enabled = 已启用
people-state-disabled = 已停用
people-state-faceless = 无人脸
people-show = 显示
people-count = 共 { $all } 人，显示 { $found } 人
people-nobody = 尚未登记任何人。
people-pages = 列表分页
people-sections = 人员相关
people-new = 登记人员
people-visitors = 陌生访客
people-duplicates = 可能的重复
people-import = 导入名单
people-name = 姓名
people-employee-id = 工号
people-groups = 组
people-groups-field = 组（用分号分隔）
people-templates = 模板
people-since = 登记时间
people-enabled = 已启用
people-disabled = 已停用
people-locked = 无法解封
people-foreign = 其他模型
people-no-face = 尚无人脸
people-no-number = 没有编号为 { $number } 的人。
people-valid = 开门有效期
people-always = 不限
people-from = 自
people-before = 早于
people-records = 此人的记录
people-change = 修改
people-first-day = 起始日
people-last-day = 截止日
people-days-about = 留空表示不限。
people-save = 保存
people-no-day = { $day } 不是日期，格式应为 2026-12-31。
people-endings = 停用、移除与数据保护
people-disable = 停用
people-enable = 启用
people-remove = 移除
people-remove-sure = 将删除 { $name } 及其全部模板、PIN 和标签。日志记录保留。
people-export = 导出此人的全部数据
people-erase = 删除此人的全部数据
people-erase-sure = 将移除 { $name }，删除保留的人脸，并从日志的所有记录中抹去姓名。此操作无法撤销。此前的备份仍含有该姓名。
people-changed = 已保存。
people-removed = 该人员已移除。
people-erased = 此人的全部数据已删除。
people-enrolled = 登记完成。
people-templates-added = 模板已添加。
people-template-erased = 模板已删除。
people-add-templates = 添加模板
people-no-face-about = 没有模板，任何门都无法识别此人。请用照片或摄像头添加。
people-template = 模板
people-made = 生成时间
people-pixels = 像素
people-sharpness = 清晰度
people-turned = 偏转
people-tilted = 俯仰
people-brightness = 亮度
people-strength = 强度
people-acts = 操作
people-templates-about = 强度是特征向量的长度，数值越大，图像对人脸的呈现越好。模板是一组数字，不是图片。
people-erase-template = 删除
people-erase-template-sure = 模板将被永久删除，密封的备份中也无法恢复。
people-last-template = 这是最后一个模板，删除后任何门都无法识别此人。
people-kind-enrolled = 登记
people-kind-learned = 从放行中学习
people-kind-lookalike = 相貌相似的他人
people-credentials = PIN 与标签
people-credentials-unreadable = PIN 与标签无法读取：数据损坏或缺少密钥。
people-has-pin = 已设置 PIN。
people-has-no-pin = 未设置 PIN。
people-tag = 标签
people-tag-remove = 移除
people-pin-set = 设置 PIN
people-pin = PIN（4 至 10 位数字）
people-pin-again = 再次输入
people-pin-duress = 这是胁迫 PIN：照常开门并触发静默报警
people-pin-differs = 两次输入的 PIN 不一致。
people-pin-remove = 移除 PIN
people-tag-add = 添加标签
people-tag-number = 编号（与读卡器发送的一致）
people-tag-label = 名称
people-from-photographs = 用照片
people-from-camera = 用摄像头
people-photographs = 照片（最多 { $most } 张）
people-photographs-about = 两三张清晰的正面照片，每张一张人脸，光线各异。照片不会保存。
people-largest = 多张人脸时取最大的一张
people-force = 即使可能是他人或人脸质量较弱也继续
people-enroll = 登记
people-more-of = 为 { $name } 添加模板
people-photograph-taken = 已采用
people-photograph-refused = 未采用
people-no-photograph = 没有可用的照片，未作任何更改。
people-too-many = 一次最多发送 { $most } 张照片。
people-too-large = 文件大于 8 MB，请使用较小的文件。
people-advice-no-picture = 摄像头尚无画面。
people-advice-no-face = 未检测到人脸，请看向摄像头。
people-advice-several = 检测到多张人脸，画面中只能有一人。
people-advice-small = 人脸太小，请靠近一些。
people-advice-blurred = 人脸模糊，请保持不动或增加光线。
people-advice-turned = 头部偏转，请正视摄像头。
people-advice-nodding = 头部上仰或下俯，请正视摄像头。
people-advice-dark = 人脸太暗，请从正面补光。
people-advice-bright = 人脸太亮，请减弱光线。
people-advice-weak = 人脸不够清楚，请勿遮挡，并避免阴影。
people-advice-other-person = 与第一次采集的不是同一人。
people-advice-good = 很好，请稍微转动头部。
people-advice-unreadable = 无法读取该图片，请使用 JPEG、PNG、WebP 或 BMP 文件。
people-camera = 摄像头
people-camera-about = 请让本人单独站在摄像头前，将采集 { $views } 个合格画面。
people-weak = 也接受质量较弱的人脸
people-look = 开始
people-picture-of = 摄像头 { $camera } 的画面
people-good-views = 合格画面
people-sitting-about = 请单独站在摄像头前。采集足够后页面会自动继续。
people-refresh = 刷新
people-cancel = 取消
people-sitting-over = 时间已到，合格画面不足。
people-again = 重试
people-views-taken = 已采集 { $views } 个合格画面。
people-sitting-kept = 采集结果仅在内存中保留十分钟。
people-visitors-about = 被门以“未知”拒绝的人脸，按人分组。只保留人脸的数值，不保存图片。
people-visitors-not-kept = 当前不保留陌生访客。可通过以下设置保留：
people-visitors-count = { $visits } 次来访，{ $visitors } 位访客
people-visitors-foreign = { $visits } 次来访未列出：其特征由其他模型生成。
people-visitors-unreadable = { $visits } 次来访无法读取，将照常过期。
people-visits = 来访 { $visits } 次
people-first-visit = 首次
people-last-visit = 最近
people-doors = 门
people-nearest = 最相似的人
people-maybe-them = 可能是同一人
people-last-record = 最近一次来访的记录
people-make-person = 登记为人员
people-is-somebody = 是已登记的人员
people-person = 人员
people-forget = 忘记
people-forget-sure = 这些来访将被删除。
people-forget-all = 全部忘记
people-forget-all-sure = 将删除全部 { $visits } 次来访。
people-forgotten = 来访已删除。
people-duplicates-about = 模板彼此接近的人员。距离在 { $limit } 以内时，门可能把两者混淆：可能重复登记，或两人相貌相似。
people-no-duplicates = 没有彼此接近的人员。
people-within = 在阈值以内
people-nearly = 接近阈值
people-distance = 距离 { $distance }
people-list = 名单（CSV）
people-preview = 预览更改
people-import-about = 每行依次按编号、工号、姓名查找人员。找不到则新建（尚无人脸）。不会移除任何人。
people-import-columns = 列：
people-import-cells = 空单元格保持不变，- 表示清除。多个组用分号分隔。日期写作 2026-12-31；valid_until 为最后一天。
people-no-list = 请先选择文件。
people-import-would = 将要更改的内容
people-import-counts = 更改 { $changed }，新增 { $new }，未变 { $unchanged }，有问题 { $problems }
people-import-problems = 请先更正这些行。只要有一行无法执行，就不会作任何更改。
people-import-apply = 执行导入
people-import-change = 更改
people-import-new = 新增
people-import-more = 另有 { $rows } 行
people-imported = 名单已导入。
people-line = 行
people-problem = 问题

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
