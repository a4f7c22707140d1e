import { createApp } from 'vue'
import '@/shared/tokens.css'
import '@/shared/base.css'
import { i18n, language, setLanguage } from '@/shared/i18n'
import App from '@/reading/App.vue'

setLanguage(language())
createApp(App).use(i18n).mount('#app')
