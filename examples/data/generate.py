"""Writes contacts-10k.csv beside this file: 10 000 made-up contacts for the examples and the tests.

Run `python3 examples/data/generate.py`; it needs Python 3.9 or later and nothing else, and writes the
same bytes every time. What to expect of the file is printed to standard error.

Names are drawn from the lists below. US, GB and FR numbers lie in ranges reserved for fiction, and
email addresses in example.net; other countries reserve nothing, so never send anything to these numbers.
"""

import csv
import random
import sys
from pathlib import Path

ROWS = 10_000
DUPLICATES = 20
HEADER = (
    "phone_number,first_name,last_name,email,tags,opt_in,city,"
    "loyalty_tier,birth_date,orders,newsletter,last_order_time"
).split(",")
TAGS = {
    "vip": 0.28, "new_lead": 0.2, "event_attendee": 0.16, "newsletter": 0.12, "trial": 0.1,
    "churned": 0.08, "b2b": 0.07, "wholesale": 0.07, "beta": 0.06, "support": 0.06,
}

rng = random.Random(20_260_401)


def digits(count, first="0123456789"):
    return rng.choice(first) + "".join(rng.choice("0123456789") for _ in range(count - 1))


def mobile(*prefixes, rest):
    return lambda city: rng.choice(prefixes) + digits(rest)


BRAZIL_AREAS = {
    "São Paulo": "11", "Rio de Janeiro": "21", "Salvador": "71", "Fortaleza": "85",
    "Curitiba": "41", "Belo Horizonte": "31", "Recife": "81", "Porto Alegre": "51",
}


def brazil(city):
    area = BRAZIL_AREAS[city]
    kind = rng.random()
    if kind < 0.03:
        return "55" + area + digits(8, "2345")
    if kind < 0.1:
        return "55" + area + "9" + digits(8, "12345")
    # WhatsApp leaves the nine out in most areas.
    short = area not in ("11", "21") and kind < 0.55
    return "55" + area + ("" if short else "9") + digits(8, "6789")


def mexico(city):
    area = {"Ciudad de México": "55", "Guadalajara": "33", "Monterrey": "81", "Puebla": "222"}[city]
    return "52" + rng.choice(("1", "", "")) + area + digits(10 - len(area), "23456789")


def argentina(city):
    area = {"Buenos Aires": "11", "Córdoba": "351", "Rosario": "341", "Mendoza": "261"}[city]
    return "54" + rng.choice(("9", "9", "9", "")) + area + digits(10 - len(area), "23456")


def usa(city):
    area = {"New York": "212 646 718", "Los Angeles": "213 310 323", "Chicago": "312 773 872",
            "Austin": "512 737", "Seattle": "206 425"}[city]
    return "1" + rng.choice(area.split()) + "55501" + digits(2)


def names(text):
    return [name.strip().replace("_", " ") for name in text.split()]


class Region:
    def __init__(self, weight, number, cities, *name_lists):
        self.weight, self.number, self.cities = weight, number, cities.split("|")
        # First and last names of one script go together.
        self.names = [(names(first), names(last)) for first, last in name_lists]


REGIONS = [
    Region(2300, brazil, "|".join(["São Paulo", *BRAZIL_AREAS]), (
        "Adriana Aline Amanda Antônio Beatriz Benício Caio Camila Carla Cauê Cecília Conceição Davi Débora "
        "Eduarda Elisa Fábio Fernanda Flávia Francisco Geovana Gilberto Heitor Helena Iara Isadora Jonas João "
        "João_Pedro José Júlia Kauã Larissa Léo Luana Lúcia Luís_Otávio Luíza Manuela Marcos Maria_Clara "
        "Mateus Murilo Natália Otávio Patrícia Paulo Rafaela Raimundo Renato Rosângela Samuel Sílvia Tainá "
        "Thiago Valentina Vitória Yasmin Zélia",
        "Albuquerque Alencar Amaral Andrade Araújo Assunção Azevedo Barbosa Barros Batista Bittencourt Borges "
        "Brandão Cavalcanti Coelho Corrêa Couto da_Conceição da_Silva de_Assis de_Souza Dias dos_Santos Duarte "
        "Esteves Falcão Farias Fontes França Freire Gonçalves Guimarães Lacerda Leão Lima Macedo Magalhães "
        "Maia Meireles Melo Monteiro Moraes Muniz Nóbrega Nogueira Oliveira Pacheco Paixão Peixoto Pinheiro "
        "Queiroz Ramalho Ribeiro Salgado Sampaio Siqueira Tavares Teixeira Viana Xavier")),
    Region(1900, mobile("9198", "9199", "9190", "9188", "9170", rest=8),
           "Delhi|Mumbai|Bengaluru|Chennai|Pune|Kolkata|Hyderabad", (
        "Aarav Abhishek Aditi Aditya Akash Amrita Ananya Anil Anjali Arjun Aruna Bhavna Chetan Deepa Deepak "
        "Dhruv Divya Esha Farhan Gauri Govind Harish Ishaan Jaya Kabir Karthik Kavya Lakshmi Lalit Madhav Manish "
        "Meera Mohan Nandini Naveen Neha Nikhil Pooja Prakash Priya Rahul Rajesh Rekha Rohan Sanjay Sarita "
        "Shreya Siddharth Sneha Suresh Tanvi Uma Varun Vidya Vijay Yash Zoya",
        "Agarwal Ahuja Banerjee Bhat Bose Chandra Chatterjee Chauhan Chopra Das Desai Deshpande Dutta Fernandes "
        "Ghosh Gupta Iyer Jain Jha Joshi Kapoor Kaur Khan Krishnan Kulkarni Kumar Mahajan Malhotra Mehta Menon "
        "Mishra Mukherjee Nair Naidu Pandey Patil Pillai Prasad Rao Reddy Roy Saxena Shah Sharma Shetty Singh "
        "Srinivasan Thakur Tiwari Trivedi Venkatesh Verma Yadav"), (
        "अनिता अमित आरती कविता गीता दीपक नीतीश नेहा पूजा प्रिया मनोज मीरा रवि राकेश राजेश रोहित ललिता विकास "
        "शांति संजय सीमा सुनील सुरेश हरीश",
        "अग्रवाल कुमार गुप्ता चौधरी जोशी तिवारी त्रिपाठी पांडे पाटिल भट्ट मिश्रा यादव राठौर वर्मा शर्मा शुक्ला "
        "सक्सेना सिंह")),
    Region(850, usa, "New York|Los Angeles|Chicago|Austin|Seattle", (
        "Aaliyah Abigail Aiden Alexis Andre Angela Ava Benjamin Brandon Brianna Caleb Carmen Chloe Darnell "
        "Dylan Elena Ethan Faith Gavin Grace Hannah Isaac Jada Jasmine Jordan Kayla Keisha Logan Luis Madison "
        "Marcus Megan Miguel Naomi Nathan Olivia Owen Paige Peyton Quinn Rachel Ryan Savannah Tamika Tyler Wyatt",
        "Adams Bailey Baker Bennett Brooks Bryant Butler Campbell Carter Chavez Collins Cooper Cruz Diaz Edwards "
        "Evans Fisher Flores Foster Gomez Gray Hall Hayes Henderson Hughes Jackson Jenkins Kelly Kim Lee Long "
        "Mitchell Morgan Murphy Nguyen Ortiz Parker Patterson Peterson Powell Price Ramirez Reed Reyes Rivera "
        "Rogers Russell Sanders Scott Simmons Torres Turner Ward Washington Watson Wood Wright Young")),
    Region(750, mexico, "Ciudad de México|Guadalajara|Monterrey|Puebla", (
        "Adrián Alejandra Andrés Araceli Ariadna Beatriz Brenda Carlos César Claudia Cristóbal Dulce Elías "
        "Esmeralda Fátima Fernando Frida Guadalupe Héctor Iván Itzel Jesús Jimena José_Luis Lorena Lucía Luz "
        "Marisol Martín Mauricio Mónica Nicolás Óscar Paloma Ramiro Raúl Renata Rocío Rubén Sergio Sofía Tomás "
        "Valeria Ximena Yolanda",
        "Aguirre Ávila Ayala Barrera Bautista Cabrera Cárdenas Castañeda Castillo Cervantes Contreras Cortés "
        "Delgado Domínguez Escobar Espinoza Estrada Fuentes Galindo Guerrero Gutiérrez Ibarra Jiménez Juárez "
        "Lozano Maldonado Márquez Medina Mejía Montes Muñoz Núñez Ochoa Orozco Palacios Peña Ríos Robles Rosales "
        "Salazar Sandoval Serrano Solís Trejo Valdez Vázquez Villarreal Zamora Zúñiga")),
    Region(500, argentina, "Buenos Aires|Córdoba|Rosario|Mendoza", (
        "Agustina Alfredo Bautista Belén Brian Candela Celeste Damián Delfina Diego Emilia Ezequiel Facundo "
        "Felipe Florencia Franco Gastón Guido Hernán Jazmín Joaquín Josefina Lautaro Lisandro Luciano Magalí "
        "Malena Matías Micaela Milagros Nahuel Oriana Pilar Ramón Rocío Santino Thiago Tobías Valentín Victoria",
        "Acosta Álvarez Arias Benítez Bianchi Bravo Cáceres Carrizo Coronel Correa D'Angelo Escudero Fernández "
        "Figueroa Franco Giménez Godoy Heredia Juárez Ledesma Leiva Lucero Luna Maidana Mansilla Miño Moyano "
        "Ojeda Paz Peralta Pereyra Quinteros Rossi Sánchez Sosa Toledo Vega Velázquez Villalba Yáñez Zalazar")),
    Region(450, lambda city: "447700900" + digits(3), "London|Glasgow|Leeds|Cardiff", (
        "Aled Alfie Amelia Archie Bethany Callum Charlotte Ciara Daisy Dominic Eilidh Eleanor Ellis Evie Ewan "
        "Fergus Freya George Gethin Harriet Imogen Isla Jacob Jemima Kieran Lewis Megan Niamh Nigel Oscar Poppy "
        "Rhiannon Rhys Rosie Rory Saoirse Theo Toby Tariq Zara",
        "Ahmed Armstrong Atkinson Barker Bevan Bradley Burns Chapman Davies Dixon Ellis Fletcher Gibson Grant "
        "Hamilton Harrison Holmes Hussain Kerr Lloyd MacDonald Marshall Mason McKenzie Morris O'Connor O'Neill "
        "Owen Palmer Pritchard Rees Saunders Shaw Simpson Stewart Sutherland Walsh Webb Wilkinson")),
    Region(400, mobile("62812", "62813", "62821", "62857", rest=8), "Jakarta|Surabaya|Bandung|Medan", (
        "Adi Agus Andi Ayu Bambang Budi Citra Dedi Dewi Dian Eka Fajar Fitri Gita Hadi Indah Intan Joko Kartika "
        "Lestari Made Maya Nur Nyoman Putri Putu Ratna Rizky Sari Siti Slamet Sri Teguh Tri Wahyu Wulan Yanti Yusuf",
        "Firmansyah Gunawan Halim Handayani Hidayat Irawan Kurniawan Kusuma Lubis Maharani Nasution Nugroho "
        "Prasetyo Pratama Purnama Rahayu Rahman Santoso Saputra Setiawan Siregar Sitompul Suharto Suryani "
        "Susanto Utami Wibowo Wijaya Yulianti")),
    Region(380, mobile("49151", "49160", "49172", "49176", rest=8), "Berlin|München|Köln|Hamburg", (
        "Anke Bärbel Björn Britta Carsten Dagmar Detlef Elke Fabian Florian Frauke Götz Günter Hannelore Heike "
        "Ingo Jörg Jürgen Karin Katharina Lars Leonie Lukas Maike Mathilda Moritz Nele Niklas Ole Petra Ralf "
        "Rüdiger Sabine Sören Svenja Thorsten Ulrike Uwe Wiebke Yannick",
        "Albrecht Bäcker Becker Böhm Brandt Busch Dietrich Engel Franke Friedrich Fuchs Groß Günther Haas Heinrich "
        "Hofmann Jäger Keller Köhler König Krämer Krüger Kühn Lindner Löffler Möller Neumann Pohl Richter Roth "
        "Sauer Schäfer Schröder Schulze Seidel Strauß Vogt Weiß Winkler Zimmermann")),
    Region(340, mobile("2010", "2011", "2012", "2015", rest=8), "القاهرة|الإسكندرية|الجيزة", (
        "أحمد أسماء أمينة آية إبراهيم إسراء بسمة حسن حسين خالد دينا رانيا رضوى ريم زينب سارة سامي سلمى شيماء طارق "
        "عائشة عادل عمر عُمرو فاطمة فريدة كريم ليلى محمد محمود مروة مريم مصطفى منى نادية نور هاني هبة ياسمين يوسف",
        "إسماعيل البنا الجندي الحسيني الخطيب السيد الشافعي الشربيني الصاوي العدوي الفقي المصري النجار جمال "
        "حجازي رمضان زكي سالم سليمان شحاتة صبري عبد_الرحمن عبد_الله عثمان عطية علي غنيم فؤاد قاسم منصور موسى")),
    Region(290, mobile("90532", "90533", "90542", "90555", rest=7), "İstanbul|Ankara|İzmir", (
        "Ahmet Ayşe Barış Begüm Burak Büşra Cem Çağla Çınar Deniz Derya Ebru Elif Emre Eylül Gökhan Gül Hakan "
        "Hüseyin Ilgın Işıl İbrahim İpek Kaan Kerem Leyla Mehmet Melis Nazlı Oğuz Ömer Özge Pınar Selin Şebnem "
        "Tolga Tuğba Ufuk Yağmur Yiğit Zeynep",
        "Acar Akın Aksoy Altın Arı Aydın Bozkurt Bulut Çakır Çelik Çetin Demir Doğan Erdoğan Erkek Güneş Güler "
        "Işık Kaplan Kara Kaya Keskin Kılıç Koç Korkmaz Özdemir Öztürk Polat Şahin Şimşek Taş Tekin Uçar Ünal "
        "Yavuz Yıldırım Yıldız Yılmaz")),
    Region(250, mobile("234803", "234806", "234813", "234905", rest=7), "Lagos|Abuja|Ibadan|Kano", (
        "Abiola Adaeze Adaobi Aminu Ayodele Bolanle Chiamaka Chidi Chinedu Chioma Damilola Ebuka Efe Emeka Fatima "
        "Folake Funmi Gbenga Habiba Hauwa Ibrahim Ifeoma Ifunanya Kelechi Kunle Musa Ngozi Nkechi Obinna "
        "Olumide Oluwaseun Sade Segun Temitope Tolulope Tunde Uche Yemi Yetunde Zainab",
        "Abubakar Achebe Adebayo Adeleke Adesina Afolabi Agbaje Akande Balarabe Bello Danjuma Egwu Eze Fashola "
        "Garba Ibe Igwe Iheanacho Lawal Mohammed Nnamdi Nwachukwu Nwosu Obi Odili Ogunleye Ojo Okafor Okeke "
        "Okonkwo Olatunji Onyeka Oyelaran Sani Ugochukwu Umar Uzoma Yakubu")),
    Region(240, lambda city: "3363998" + digits(4), "Paris|Lyon|Marseille|Lille", (
        "Adèle Agnès Amélie Anaïs Antoine Aurélie Baptiste Benoît Brigitte Camille Cédric Céline Chloé Clément "
        "Didier Éloïse Émile Étienne Fabrice Florence Gaël Geneviève Ghislain Hélène Inès Jean-Luc Jérôme Joël "
        "Léa Loïc Maëlle Marie-Ève Mathéo Noémie Océane Rémi Sacha Solène Thérèse Yann Zoé",
        "Aubert Barbier Bénard Blanchard Boucher Boyer Brun Chevalier Clément Colin d'Alembert de_La_Tour "
        "Delaunay Dufour Dupuis Étienne Fabre Faure Fontaine Gérard Girard Guérin Hébert Jacquet Lacroix "
        "L'Hôte Lefèvre Lemaître Maçon Mallet Marchand Meunier Noël Perrin Picard Renaud Roussel Vasseur")),
    Region(220, mobile("34611", "34622", "34655", "34677", rest=6), "Madrid|Barcelona|Sevilla|València", (
        "Ainhoa Álvaro Amparo Begoña Blanca Borja Carme Cayetana Concha Elisenda Encarnación Enrique Gonzalo "
        "Iker Íñigo Inmaculada Jordi José_María Lola Macarena Manel Montserrat Nerea Núria Oriol Pau Pedro "
        "Remedios Rosario Salvador Sílvia Teresa Unai Vicente Yago",
        "Abellán Alarcón Aznar Bermúdez Blasco Calvo Carmona Cuesta de_la_Fuente Del_Río Escribano Ferrer Gallardo "
        "Gil Guillén Ibáñez Iglesias Izquierdo Lara León Llorente Manzano Marín Mas Mateo Nieto Ortega Pascual "
        "Prieto Puig Roldán Sáez Santamaría Segura Soler Tena Vidal-Quadras Zabala")),
    Region(200, mobile("97250", "97252", "97254", rest=7), "תל אביב|ירושלים|חיפה", (
        "אביגיל אביב אדם אורי אילן איתן אלון בועז גלית דוד דנה הדס חנה טל יהודה יונתן יעל יצחק כרמל לאה מאיה מיכל "
        "משה נדב נועה עדי עומר ענת רוני רחל רן שירה שלמה שׂרה תמר",
        "אברהם אדלר ביטון בן_דוד ברק גבאי גולן דהן הררי ויס זוהר חדד טננבאום יוסף כהן כץ לוי מזרחי מלכה נחום "
        "סבג עמר פישר צור קליין רוזן שגיא שפירא תורג׳מן")),
    Region(190, mobile("6681", "6689", "6695", rest=7), "กรุงเทพ|เชียงใหม่|ภูเก็ต", (
        "กมล กัญญา กิตติ จันทร์ ชลธิชา ชัยวัฒน์ ณัฐพล ดวงใจ ทิพย์ ธนา นภา นิรันดร์ บุญมี ปรีชา พรทิพย์ พิชัย มาลี ยุพิน "
        "รัตนา วรรณา วิชัย ศิริ สมชาย สมหญิง สุดา สุรชัย อนงค์ อรุณ อำพล",
        "แก้วมณี ใจดี ชัยมงคล ทองคำ ทองสุข บุญเรือง พงษ์ไพบูลย์ เพชรรัตน์ มีสุข รุ่งเรือง วงศ์สวัสดิ์ ศรีสุข ศรีวิไล สายทอง "
        "สุขใจ แสงจันทร์ แสนสุข หอมหวาน อินทร์แก้ว")),
    Region(180, mobile("8170", "8180", "8190", rest=8), "東京|大阪|福岡", (
        "愛 葵 明美 一郎 海斗 和子 健太 航 さくら 聡 翔太 真一 純子 大輔 拓海 千尋 智子 直樹 花子 陽菜 ひかり 美咲 恵 優子 裕太 蓮",
        "青木 阿部 池田 石井 伊藤 井上 上田 岡田 小川 加藤 木村 後藤 近藤 斎藤 清水 高橋 田中 中島 中村 西村 橋本 長谷川 林 藤田 前田 松本 "
        "森 山口 吉田 渡辺"), (
        "アキラ エミ カズ ケン サクラ ナオミ マリ ユウ リサ レン",
        "イトウ カトウ コバヤシ サトウ スズキ タナカ ヤマダ ワタナベ")),
    Region(160, mobile("8210", rest=8), "서울|부산|인천", (
        "건우 경희 나연 도윤 동현 미경 민수 민지 상훈 서연 서준 성민 수빈 수진 승현 시우 영숙 영호 예준 유진 은주 정훈 준호 지민 지우 지훈 "
        "하은 하준 현우 혜진",
        "강 고 권 김 남궁 류 문 박 배 백 서 손 송 신 안 양 오 유 윤 이 임 장 전 정 조 차 최 한 허 홍 황")),
    Region(130, mobile("88691", "88693", "88697", "88698", rest=7), "臺北|高雄|臺中", (
        "冠宇 佳穎 俊傑 家豪 宜君 建宏 志明 怡君 明哲 美玲 雅婷 詩涵 承恩 品妍 子軒 淑芬 惠如 宗翰 思妤 柏翰 欣怡 小明",
        "陳 林 黃 張 李 王 吳 劉 蔡 楊 許 鄭 謝 郭 洪 邱 曾 廖 賴 徐 歐陽 周 葉 蘇")),
    Region(130, mobile("30690", "30694", "30697", "30698", rest=7), "Αθήνα|Θεσσαλονίκη|Πάτρα", (
        "Αγγελική Αθανάσιος Αικατερίνη Αλέξανδρος Αναστασία Ανδρέας Βασίλης Βασιλική Γεωργία Γιάννης Δέσποινα "
        "Δημήτρης Ειρήνη Ελένη Εύα Ηλίας Θεόδωρος Ιωάννα Κώστας Λουκάς Μαρία Μιχάλης Νίκος Όλγα Παναγιώτης "
        "Σοφία Σπύρος Στέλιος Χρήστος Χρυσούλα",
        "Αγγελόπουλος Αθανασίου Αντωνίου Βλάχος Γεωργίου Δημητρίου Ζαφειρίου Θεοδωρίδης Ιωάννου Καραγιάννη "
        "Κωνσταντίνου Λάμπρου Μακρής Μαυρίδης Νικολάου Οικονόμου Παπαδόπουλος Παππάς Ράπτης Σταύρου Τσακίρη "
        "Φωτίου Χατζής")),
    Region(140, mobile("38050", "38063", "38067", "38097", rest=7), "Київ|Львів|Харків|Одеса", (
        "Андрій Богдан Валентина Василь Віктор Галина Ганна Дарина Дмитро Євген Єлизавета Зоряна Іван Ірина "
        "Катерина Кирило Лариса Леся Любов Максим Марічка Микола Надія Назар Оксана Олег Олексій Ольга Остап "
        "Петро Роман Світлана Соломія Тарас Тетяна Юлія Ярослав",
        "Бойко Бондаренко Василенко Гончар Гриценко Дем’яненко Дорошенко Жук Захарченко Іваненко Їжак Кобзар "
        "Коваленко Ковальчук Кравець Кравченко Левченко Лисенко Мельник Мороз Науменко Олійник Остапенко "
        "Павленко Петренко Поліщук Савченко Семенюк Сидоренко Ткаченко Федоренко Хоменко Шевченко Щербак Яценко")),
]

# Names that a careless reader, writer or terminal gets wrong.
ODD_NAMES = [
    ('Ana "Nina"', "Souza"), ("Robert", "Smith, Jr."), ("Bia 🌻", "Rocha"), ("Zoë👩‍💻", "Nyström"),
    ("N’Golo", "N'Diaye"), ("Lê Thị", "Hồng Ánh"), ("José", "Muñoz"), ("محمد", "O'Reilly"),
    ("Ng", "Ü"), ("Maximilian-Alexander-Konstantin", "Freiherr von und zu Oberndorf-Wartenstein"),
    ("%_", "DROP TABLE"), ("null", "None"),
]

# One fault each; the rest of the row is good. The import must refuse these rows and only these.
BAD_ROWS = [
    {"phone_number": "1212CALLNOW"},
    {"phone_number": "155501"},
    {"phone_number": "5511987654321098"},
    {"phone_number": "00447700900123"},
    {"phone_number": "9995550123456"},
    {"phone_number": "٢٠١٠٠١٢٣٤٥٦٧"},
    {"phone_number": "US.13491208655302741918"},
    {"email": "user-at-example.net"},
    {"email": "two words@example.net"},
    {"orders": "three"},
    {"loyalty_tier": "Diamond"},
    {"newsletter": "maybe"},
]


def variant(number):
    """The other form in which WhatsApp names the same person, or None."""
    if number[:2] in ("52", "54"):
        digit = "1" if number[:2] == "52" else "9"
        if len(number) == 12:
            return number[:2] + digit + number[2:]
        return number[:2] + number[3:] if number[2] == digit else None
    if number[:2] == "55":
        if len(number) == 12 and number[4] in "6789":
            return number[:4] + "9" + number[4:]
        if len(number) == 13 and number[4] == "9" and number[5] in "6789":
            return number[:4] + number[5:]
    return None


def written(number):
    """The number as people type it."""
    if number.startswith("1"):
        style = rng.choice(("+1 ({}) {}-{}", "1-{}-{}-{}", "+1.{}.{}.{}"))
        return style.format(number[1:4], number[4:7], number[7:])
    if number.startswith("55"):
        return f"+55 ({number[2:4]}) {number[4:-4]}-{number[-4:]}"
    code = 3 if number.startswith(("234", "380", "886", "972")) else 2
    groups = ("+" + number[:code], number[code:code + 3], number[code + 3:-4], number[-4:])
    return rng.choice((" ", "-", ".", "\u00a0")).join(groups)


def maybe(chance, value):
    return value if rng.random() < chance else ""


def contact(index, taken):
    region = rng.choices(REGIONS, [region.weight for region in REGIONS])[0]
    city = rng.choice(region.cities)
    number = region.number(city)
    while number in taken:
        number = region.number(city)
    taken.update(filter(None, (number, variant(number))))
    first, last = rng.choices(region.names, [3, 1][:len(region.names)])[0]
    day = f"{rng.randint(1945, 2007)}-{rng.randint(1, 12):02}-{rng.randint(1, 28):02}"
    time = (f"2026-{rng.randint(1, 9):02}-{rng.randint(1, 28):02}"
            f"T{rng.randint(0, 23):02}:{rng.randint(0, 59):02}:00Z")
    return {
        "phone_number": number,
        "first_name": maybe(0.985, rng.choice(first)),
        "last_name": maybe(0.92, rng.choice(last)),
        "email": maybe(0.8, f"c{index}@example.net"),
        "tags": ";".join(tag for tag, share in TAGS.items() if rng.random() < share),
        "opt_in": rng.choices(("yes", "no", ""), (55, 10, 35))[0],
        "city": maybe(0.96, city),
        "loyalty_tier": rng.choices(("Bronze", "Silver", "Gold", ""), (39, 26, 10, 25))[0],
        "birth_date": maybe(0.6, day),
        "orders": maybe(0.67, str(min(int(rng.expovariate(0.4)), 60))),
        "newsletter": rng.choice(("true", "false", "")),
        "last_order_time": maybe(0.5, time),
    }


def main():
    taken = set()
    people = [contact(i, taken) for i in range(ROWS - DUPLICATES)]
    for row, (first, last) in zip(rng.sample(people, len(ODD_NAMES)), ODD_NAMES):
        row.update(first_name=first, last_name=last)
    for row, fault in zip(rng.sample(people[100:], len(BAD_ROWS)), BAD_ROWS):
        row.update(fault)
        row["bad"] = next(iter(fault))
    good = [row for row in people if "bad" not in row]

    # The same person again under the other form of the number, later in the file. None in São Paulo,
    # so that the segment below has one size whichever of the two rows wins.
    candidates = [row for row in good[:5000] if variant(row["phone_number"]) and row["city"] != "São Paulo"]
    for count, original in enumerate(rng.sample(candidates, DUPLICATES)):
        again = dict(original, phone_number=variant(original["phone_number"]), duplicate=True)
        again["email"] = again["email"] and f"again{count}@example.net"
        people.insert(rng.randint(6000, len(people)), again)
    for row in good:
        if rng.random() < 0.05:
            row["phone_number"] = written(row["phone_number"])

    path = Path(__file__).with_name("contacts-10k.csv")
    with path.open("w", encoding="utf-8", newline="") as file:
        table = csv.DictWriter(file, HEADER, extrasaction="ignore", lineterminator="\n")
        table.writeheader()
        table.writerows(people)

    def lines(mark):
        return [line for line, row in enumerate(people, start=2) if mark in row]

    segment = sum(
        "event_attendee" in row["tags"].split(";") and row["city"] == "São Paulo" and row["opt_in"] == "yes"
        for row in people if "bad" not in row
    )
    assert 20 <= segment <= 60 and len(people) == ROWS
    print(f"{ROWS} rows, {path.stat().st_size} bytes", file=sys.stderr)
    print(f"refused: lines {lines('bad')}", file=sys.stderr)
    print(f"a person again: lines {lines('duplicate')}", file=sys.stderr)
    print(f'tags:event_attendee AND attributes.city = "São Paulo" AND opt_in = OPTED_IN: {segment}',
          file=sys.stderr)


if __name__ == "__main__":
    main()
